// Models from one layout into another: directory, single file in the authors' names, GGUF.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "common/base/json.h"

namespace safelight {

struct ConvertRequest {
  std::filesystem::path source, target, base, vocabulary;  // base, vocabulary: as in OpenOptions
  std::string to = "directory";                            // directory, single-file, gguf
  std::string type = "keep";                               // keep, float32, float16, bfloat16; for gguf also q8_0, q5_0, q4_0
};

// Writes beside the target and renames at the end, so that a kill leaves no half of it. Returns a report: every tensor with its
// new name, its types, and whether it was kept, cast, renamed or left out. Memory: the largest component twice; for one file
// the whole. Throws Error(conflict) when the target exists, Error(non_finite) naming a tensor that the type cannot hold.
Json convert_model(const ConvertRequest& request, const std::function<void(const std::string& what, double share)>& progress);

}  // namespace safelight
