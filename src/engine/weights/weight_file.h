// Between Parameters and files.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/weights/parameters.h"
#include "engine/weights/weight_source.h"

namespace safelight {

struct LoadReport {
  std::vector<std::string> ignored;     // keys in the file that are known to be of no use here
  std::vector<std::string> non_finite;  // tensors that hold a NaN or an infinity
};

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;   // elsewhere weights are copied there, and no block stays packed
  // Renames a key of the file to the parameter's name; an empty result means "known and of no use".
  std::function<std::string(const std::string&)> rename = [](const std::string& key) { return key; };
  bool check_finite = true;
  bool keep_packed = false;   // leave GGUF blocks as they are where the layer can unpack them itself
};

// Fills every parameter from one component's tensors. Where the source holds the wanted type already, parameters lie in the
// file's mapping and nothing is copied. Throws Error(corrupt_file) that lists missing, extra and mis-shaped tensors (up to ten
// each), or Error(non_finite) naming file and tensor.
LoadReport load_weights(Parameters& parameters, const WeightSource& source, const LoadOptions& options);
LoadReport load_weights(Parameters& parameters, const std::vector<std::filesystem::path>& files,
                        const LoadOptions& options);

// One tensor of a safetensors file as a fresh float32/int64 tensor or in `dtype`. Throws Error(not_found).
at::Tensor read_tensor(const std::filesystem::path& file, const std::string& key);
std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& file);

// Writes named tensors, atomically, each in its own dtype (float32, float16, bfloat16, int64).
void write_tensors(const std::filesystem::path& file, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                   const std::map<std::string, std::string>& metadata);

}  // namespace safelight
