// A checkpoint in its authors' layout, or a GGUF file: the components that it holds under the names of a directory, the others
// from a directory beside it.
#include <set>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/families/model_files.h"
#include "engine/weights/mapped_source.h"
#include "engine/weights/single_file_map.h"

namespace safelight {
namespace {

class SingleFile final : public ModelFiles {
 public:
  SingleFile(const std::filesystem::path& file, const std::filesystem::path& base, const std::filesystem::path& vocabulary)
      : path_(file), vocabulary_(vocabulary), whole_(weight_source(file)) {
    map_ = std::make_shared<const SingleFileMap>(map_single_file(whole_->shapes(), "'" + file.string() + "'"));
    configs_ = derive_configs(*map_);
    for (const MappedTensor& t : map_->tensors) present_.insert(t.component);
    if (!base.empty()) base_ = directory_files(base);
    index_ = base_ ? base_->index() : Json::object();
  }
  const std::filesystem::path& path() const override { return path_; }
  const Json& index() const override { return index_; }
  bool has(const std::string& component) const override { return present_.contains(component) || (base_ && base_->has(component)); }

  ComponentFiles component(const std::string& name) const override {
    if (!present_.contains(name)) return lender(name, "the component")->component(name);
    // A base that describes the same component knows what shapes do not tell: heads, activations, scales.
    if (const auto config = base_ ? base_->path() / name / "config.json" : std::filesystem::path(); base_ && std::filesystem::exists(config))
      return {read_json(config), "'" + config.string() + "'", mapped_source(whole_, map_, name), {path_}, {}};
    return {configs_.at(name), "the configuration derived from '" + path_.string() + "'", mapped_source(whole_, map_, name), {path_}, {}};
  }

  // CLIP's vocabulary is built in; T5's comes with the user's files.
  std::filesystem::path tokenizer(const std::string& name) const override {
    if (base_ && std::filesystem::is_directory(base_->tokenizer(name))) return base_->tokenizer(name);
    const bool t5 = name == "tokenizer_3" || (name == "tokenizer_2" && map_->layout == "flux");
    const std::filesystem::path built_in = vocabulary_ / (name == "tokenizer_2" || map_->layout == "sd2" ? "clip-pad-zero" : "clip");
    if (!t5 && std::filesystem::exists(built_in / "vocab.json")) return built_in;
    return lender(name, "the tokenizer")->tokenizer(name);
  }

  std::pair<Json, std::string> scheduler(const std::string& name) const override {
    const auto derived = configs_.find(name);
    if (base_ || derived == configs_.end()) return lender(name, "the scheduler")->scheduler(name);
    return {derived->second, "the " + name + " that belongs to '" + path_.string() + "'"};
  }

 private:
  const ModelFiles* lender(const std::string& name, const char* what) const {
    if (base_) return base_.get();
    throw Error(ErrorCode::not_found, "'" + path_.string() + "' does not hold " + what + " '" + name + "'; name a model directory that does with --base");
  }

  std::filesystem::path path_, vocabulary_;
  std::shared_ptr<const WeightSource> whole_;
  std::shared_ptr<const SingleFileMap> map_;
  std::map<std::string, Json> configs_;
  std::set<std::string> present_;
  std::unique_ptr<const ModelFiles> base_;
  Json index_;
};

}  // namespace

std::unique_ptr<const ModelFiles> single_file(const std::filesystem::path& file, const std::filesystem::path& base, const std::filesystem::path& vocabulary) {
  return std::make_unique<SingleFile>(file, base, vocabulary);
}

}  // namespace safelight
