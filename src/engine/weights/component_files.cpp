#include "engine/weights/component_files.h"

#include <set>

#include "common/base/error.h"
#include "common/base/json_read.h"

namespace safelight {
namespace {

constexpr std::size_t kMostShards = 1000;

std::vector<std::filesystem::path> shards(const std::filesystem::path& index) {
  const std::string where = "'" + index.string() + "'";
  const Json json = read_json(index);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() || json["weight_map"].empty())
    throw Error(ErrorCode::corrupt_file, where + ": expected an object with a weight_map that is not empty");
  std::set<std::string> names;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.find('\\') != std::string::npos ||
        name.find('\0') != std::string::npos || !name.ends_with(".safetensors"))
      throw Error(ErrorCode::corrupt_file, where + ": tensor '" + tensor.substr(0, 200) + "' is said to lie in '" + name.substr(0, 200) +
                                               "'; only safetensors files beside the index are read");
    names.insert(name);
  }
  if (names.size() > kMostShards) throw Error(ErrorCode::corrupt_file, where + " lists " + std::to_string(names.size()) + " shards; at most " + std::to_string(kMostShards) + " are read");
  std::vector<std::filesystem::path> out;
  for (const std::string& name : names) {
    out.push_back(index.parent_path() / name);
    if (!std::filesystem::exists(out.back()))
      throw Error(ErrorCode::not_found, "the shard '" + out.back().string() + "' is missing, which " + where + " lists; fetch it again");
  }
  return out;
}

}  // namespace

std::vector<std::filesystem::path> component_files(const std::filesystem::path& folder, const std::string& stem) {
  if (!std::filesystem::is_directory(folder))
    throw Error(ErrorCode::not_found, "the component folder '" + folder.string() + "' is missing; the model is incomplete");
  for (const char* variant : {"", ".fp16"})
    if (const auto file = folder / (stem + variant + ".safetensors"); std::filesystem::exists(file)) return {file};
  for (const char* index : {".safetensors.index.json", ".safetensors.index.fp16.json", ".fp16.safetensors.index.json"})
    if (const auto file = folder / (stem + index); std::filesystem::exists(file)) return shards(file);
  for (const char* pickle : {".bin", ".pt", ".ckpt"})
    if (const auto file = folder / (stem + pickle); std::filesystem::exists(file))
      throw Error(ErrorCode::unsupported, "'" + file.string() + "' is a pickle, which can run any program when it is read; convert it to safetensors");
  throw Error(ErrorCode::not_found, "'" + (folder / (stem + ".safetensors")).string() + "' is missing; the model is incomplete");
}

}  // namespace safelight
