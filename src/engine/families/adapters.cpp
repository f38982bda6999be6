#include "engine/families/adapters.h"

#include "common/base/error.h"
#include "engine/weights/lora.h"

namespace safelight {
namespace {

constexpr const char* kAdapted[] = {"unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3"};

class Adapted final : public ModelFiles {
 public:
  Adapted(std::unique_ptr<const ModelFiles> inner, const std::vector<AdapterChoice>& adapters, const std::vector<EmbeddingChoice>& embeddings)
      : inner_(std::move(inner)), embeddings_(embeddings) {
    std::vector<LoraChoice> files;
    for (const AdapterChoice& a : adapters) files.push_back({a.file, a.weight});
    std::map<std::string, WeightSource::Shapes> shapes;
    for (const char* name : kAdapted)
      if (inner_->has(name)) shapes[name] = inner_->component(name).weights->shapes();
    deltas_ = resolve_loras(files, shapes);
  }
  const std::filesystem::path& path() const override { return inner_->path(); }
  const Json& index() const override { return inner_->index(); }
  bool has(const std::string& component) const override { return inner_->has(component); }
  ComponentFiles component(const std::string& name) const override {
    ComponentFiles out = inner_->component(name);
    if (const auto it = deltas_.find(name); it != deltas_.end()) out.weights = with_loras(out.weights, it->second);
    if (name == "text_encoder" || name == "text_encoder_2")
      for (const EmbeddingChoice& e : embeddings_)
        for (LearnedWord& word : read_learned_words(e.file, e.token, name == "text_encoder" ? 0 : 1)) out.words.push_back(std::move(word));
    return out;
  }
  std::filesystem::path tokenizer(const std::string& name) const override { return inner_->tokenizer(name); }
  std::pair<Json, std::string> scheduler(const std::string& name) const override { return inner_->scheduler(name); }

 private:
  std::unique_ptr<const ModelFiles> inner_;
  std::map<std::string, LoraDeltas> deltas_;
  std::vector<EmbeddingChoice> embeddings_;
};

}  // namespace

std::unique_ptr<const ModelFiles> with_adapters(std::unique_ptr<const ModelFiles> model, const std::vector<AdapterChoice>& adapters,
                                                const std::vector<EmbeddingChoice>& embeddings) {
  return std::make_unique<Adapted>(std::move(model), adapters, embeddings);
}

}  // namespace safelight
