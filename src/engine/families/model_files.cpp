#include "engine/families/model_files.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/weights/component_files.h"

namespace safelight {
namespace {

class Directory final : public ModelFiles {
 public:
  explicit Directory(std::filesystem::path directory) : path_(std::move(directory)) {
    const auto index = path_ / "model_index.json";
    if (!std::filesystem::exists(index))
      throw Error(ErrorCode::not_found, "'" + index.string() + "' is missing: this is not a model in the diffusers layout");
    index_ = read_json(index);
    if (!index_.is_object()) throw Error(ErrorCode::corrupt_file, "'" + index.string() + "' must hold an object");
  }
  const std::filesystem::path& path() const override { return path_; }
  const Json& index() const override { return index_; }
  bool has(const std::string& component) const override { return std::filesystem::is_directory(path_ / component); }
  ComponentFiles component(const std::string& name) const override {
    return component_of(path_ / name, name.starts_with("text_encoder") ? "model" : "diffusion_pytorch_model");
  }
  std::filesystem::path tokenizer(const std::string& name) const override { return path_ / name; }
  std::pair<Json, std::string> scheduler(const std::string& name) const override {
    const auto file = path_ / name / "scheduler_config.json";
    return {read_json(file), "'" + file.string() + "'"};
  }

 private:
  std::filesystem::path path_;
  Json index_;
};

}  // namespace

const std::vector<std::string>& ModelFiles::tensors() const {
  if (!tensors_.empty()) return tensors_;
  const auto weights = component(denoiser()).weights;
  for (const auto& [key, shape] : weights->shapes()) tensors_.push_back(key);
  return tensors_;
}

bool ModelFiles::has_tensor(const std::string& key) const { return std::binary_search(tensors().begin(), tensors().end(), key); }

ComponentFiles component_of(const std::filesystem::path& folder, const std::string& stem) {
  ComponentFiles out;
  out.files = component_files(folder, stem);
  const auto config = folder / "config.json";
  out.config = read_json(config);
  out.config_where = "'" + config.string() + "'";
  out.weights = safetensors_source(out.files);
  return out;
}

std::unique_ptr<const ModelFiles> directory_files(const std::filesystem::path& directory) { return std::make_unique<Directory>(directory); }

}  // namespace safelight
