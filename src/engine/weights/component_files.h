// Which files hold a component's weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace safelight {

// <stem>.safetensors, <stem>.fp16.safetensors, or the shards that <stem>.safetensors.index.json (or its fp16 form) lists, in
// the order of their names. Throws Error(not_found) for a missing folder, file or shard, Error(corrupt_file) for an index
// that names anything but a file beside it, Error(unsupported) for pickles, with the remedy.
std::vector<std::filesystem::path> component_files(const std::filesystem::path& folder, const std::string& stem);

}  // namespace safelight
