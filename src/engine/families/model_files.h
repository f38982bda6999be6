// A model's files, whatever their layout: its components as configuration and tensors.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "engine/text/textual_inversion.h"
#include "engine/weights/weight_source.h"

namespace safelight {

struct ComponentFiles {
  Json config;
  std::string config_where;                          // for errors
  std::shared_ptr<const WeightSource> weights;
  std::vector<std::filesystem::path> files;
  std::vector<LearnedWord> words;                    // of a text encoder
};

class ModelFiles {
 public:
  virtual ~ModelFiles() = default;
  virtual const std::filesystem::path& path() const = 0;
  virtual const Json& index() const = 0;             // model_index.json, or an empty object
  virtual bool has(const std::string& component) const = 0;
  // Throws Error(not_found) naming what is missing and where it is looked for.
  virtual ComponentFiles component(const std::string& name) const = 0;
  virtual std::filesystem::path tokenizer(const std::string& name) const = 0;
  // "scheduler" or "low_res_scheduler": its config and where it stands.
  virtual std::pair<Json, std::string> scheduler(const std::string& name) const = 0;

  // The denoiser's component, "transformer" or "unet", and the names of its tensors, sorted.
  std::string denoiser() const { return has("transformer") ? "transformer" : "unet"; }
  const std::vector<std::string>& tensors() const;
  bool has_tensor(const std::string& key) const;

 private:
  mutable std::vector<std::string> tensors_;
};

// One component's folder: config.json and <stem>.safetensors, whole or in shards.
ComponentFiles component_of(const std::filesystem::path& folder, const std::string& stem);
std::unique_ptr<const ModelFiles> directory_files(const std::filesystem::path& directory);
// A checkpoint in its authors' layout. `base`: a directory for what the file does not hold, and for the configurations of what it
// does (may be empty). `vocabulary`: the folder of CLIP's tokenizers.
std::unique_ptr<const ModelFiles> single_file(const std::filesystem::path& file, const std::filesystem::path& base, const std::filesystem::path& vocabulary);

}  // namespace safelight
