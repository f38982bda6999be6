#include "engine/families/adapters.h"

#include <cmath>

#include "common/base/error.h"
#include "common/base/json_read.h"
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

constexpr std::size_t kMostOwn = 16;

// Relative, and not out of the directory.
bool inside(const std::filesystem::path& file) {
  if (file.empty() || file.is_absolute() || !file.has_filename()) return false;
  for (const auto& part : file)
    if (part == "..") return false;
  return file.native().find('\0') == std::string::npos;
}

}  // namespace

std::vector<AdapterChoice> own_adapters(const ModelFiles& model) {
  const auto about = model.path() / "safelight.json";
  if (!std::filesystem::is_directory(model.path()) || !std::filesystem::exists(about)) return {};
  const Json json = read_json(about);
  const auto wrong = [&](const std::string& what) { throw Error(ErrorCode::corrupt_file, "'" + about.string() + "': adapters " + what); };
  if (!json.is_object() || !json.contains("adapters")) return {};
  const Json& listed = json["adapters"];
  if (!listed.is_array() || listed.size() > kMostOwn) wrong("must be a list of at most " + std::to_string(kMostOwn));
  std::vector<AdapterChoice> out;
  for (const Json& entry : listed) {
    if (!entry.is_object() || !entry.contains("file") || !entry["file"].is_string()) wrong("must be objects with the name of a file");
    const std::string file = entry["file"].get<std::string>();
    const Json weight = entry.value("weight", Json(1.0));
    if (!inside(file)) wrong("name '" + file.substr(0, 200) + "'; only files inside the model's directory are read");
    if (!weight.is_number() || !(std::abs(weight.get<double>()) <= 10)) wrong("give '" + file.substr(0, 200) + "' a weight that is not a number between -10 and 10");
    if (!std::filesystem::exists(model.path() / file))
      throw Error(ErrorCode::not_found, "the adapter '" + (model.path() / file).string() + "' is missing, which '" + about.string() + "' names as a part of the model; fetch it again");
    out.push_back({(model.path() / file).string(), weight.get<double>()});
  }
  return out;
}

std::unique_ptr<const ModelFiles> with_adapters(std::unique_ptr<const ModelFiles> model, const std::vector<AdapterChoice>& adapters,
                                                const std::vector<EmbeddingChoice>& embeddings) {
  return std::make_unique<Adapted>(std::move(model), adapters, embeddings);
}

}  // namespace safelight
