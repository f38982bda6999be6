// A model family: how to recognise its directory, and how to make a pipeline's parts of it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/pipelines/components.h"

namespace safelight {

struct OpenOptions {
  std::string dtype = "float32";     // or "bfloat16"
  std::vector<std::string> without;  // components to leave out where the family can do without, as text_encoder_3 of SD3
};

// What is known of a directory before any weight is read.
struct ModelDirectory {
  std::filesystem::path path;
  Json index;                                    // model_index.json
  std::vector<std::string> tensors;              // names in the denoiser's files, sorted
};

struct Family {
  std::string name;
  std::string summary;
  bool (*claims)(const ModelDirectory&) = nullptr;
  Components (*open)(const ModelDirectory&, const OpenOptions&) = nullptr;
};

const std::vector<Family>& family_table();

// Opens a directory in the diffusers layout. Throws Error(not_found) naming the missing part, Error(corrupt_file),
// Error(non_finite), Error(unsupported) when no family or more than one claims it.
Components open_model(const std::filesystem::path& directory, const OpenOptions& options);

}  // namespace safelight
