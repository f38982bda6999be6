#include <ATen/ATen.h>

#include "common/base/io.h"
#include "common/base/sha256.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr uint64_t kTextStream = 7;
constexpr int64_t kPlaces = 64;                 // an 8 x 8 grid
constexpr int64_t kNouns = kShapes + 1;         // the last one is a sign
constexpr int64_t kIgnore = -100;
constexpr int64_t kObjectClasses = kNouns + kColours + kPlaces;
constexpr int64_t kLetterClasses = 37;          // the last one is none
constexpr int64_t kEndClasses = kMaxObjects * kObjectClasses + (kMaxObjects + 1) + kTones + kPatterns + kMaxLetters * kLetterClasses;

int64_t place_of(double x, double y) {
  const auto cell = [](double v) { return std::clamp<int64_t>(static_cast<int64_t>(v * 8), 0, 7); };
  return cell(y) * 8 + cell(x);
}

int64_t letter_class(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  return c >= '0' && c <= '9' ? 26 + c - '0' : kLetterClasses - 1;
}

// Column by column of a row of logits; labels are kIgnore where a scene has nothing to say.
class Targets {
 public:
  explicit Targets(at::Tensor logits) : logits_(std::move(logits)) {}
  void add(int64_t classes, const std::vector<int64_t>& labels, double weight = 1) {
    const at::Tensor part = logits_.narrow(1, begin_, classes);
    begin_ += classes;
    if (std::all_of(labels.begin(), labels.end(), [](int64_t l) { return l == kIgnore; })) return;
    const at::Tensor labels_tensor = at::tensor(labels, at::kLong).to(logits_.device());
    const at::Tensor term = weight * at::cross_entropy_loss(part, labels_tensor, {}, at::Reduction::Mean, kIgnore);
    sum_ = sum_.defined() ? sum_ + term : term;
  }
  const at::Tensor& sum() const { return sum_; }

 private:
  at::Tensor logits_, sum_;
  int64_t begin_ = 0;
};

// The label of every scene, by a function of the scene.
template <class F>
std::vector<int64_t> labels(const std::vector<Scene>& scenes, F&& of) {
  std::vector<int64_t> out;
  for (std::size_t i = 0; i < scenes.size(); ++i) out.push_back(of(scenes[i], i));
  return out;
}

struct Told {  // what a mention stands for: one object, or the sign; nothing where it stands for several
  const SceneObject* object = nullptr;
  const Sign* sign = nullptr;
};

Told told(const Scene& scene, const Caption& caption, std::size_t mention) {
  if (mention >= caption.mentions.size()) return {};
  const Mention& m = caption.mentions[mention];
  if (m.sign) return {nullptr, &*scene.sign};
  return {&scene.objects[static_cast<std::size_t>(m.objects.at(0))], nullptr};
}

void add_object_targets(Targets& t, const std::vector<Scene>& scenes, const std::vector<Caption>& captions, std::size_t mention) {
  const auto each = [&](auto&& of_object, auto&& of_sign) {
    return labels(scenes, [&](const Scene& s, std::size_t i) {
      const Told it = told(s, captions[i], mention);
      return it.object ? of_object(*it.object) : it.sign ? of_sign(*it.sign) : kIgnore;
    });
  };
  t.add(kNouns, each([](const SceneObject& o) { return static_cast<int64_t>(o.shape); }, [](const Sign&) { return int64_t{kShapes}; }));
  t.add(kColours, each([](const SceneObject& o) { return static_cast<int64_t>(o.colour); }, [](const Sign& s) { return static_cast<int64_t>(s.colour); }));
  t.add(kPlaces, each([](const SceneObject& o) { return place_of(o.x, o.y); }, [](const Sign& s) { return place_of(s.x, s.y); }), 0.3);
}

}  // namespace

TextModel::TextModel(const Recipe& recipe_of_text, const TrainOptions& options_of_text) : recipe(recipe_of_text), options(options_of_text) {
  write_scene_tokenizer(options.out / "model" / "tokenizer", recipe);
  tokenizer = std::make_unique<ClipTokenizer>(ClipTokenizer::open(options.out / "model" / "tokenizer"));
  config = recipe.text_encoder;
  config["vocab_size"] = tokenizer->vocabulary_size();
  config["eos_token_id"] = tokenizer->eos_id();
  config["bos_token_id"] = tokenizer->bos_id();
  encoder = std::make_unique<ClipTextEncoder>(ParameterScope(parameters), ClipTextConfig::from_json(config, "recipe [text_encoder]"));
  parameters.initialise(mix_seed(recipe.seed, kTextStream, 0));
  if (!options.from.empty()) load_weights(parameters, {options.from / "text_encoder" / "model.safetensors"}, {});
  for (const Parameter& p : parameters.all()) p.tensor.set_data(p.tensor.to(options.device));
}

void TextModel::export_to(const std::filesystem::path& model, const std::vector<at::Tensor>& values) const {
  export_component(model / "text_encoder", "model.safetensors", config, parameters, values, at::kHalf);
}

TextStage::TextStage(TextModel& text) : recipe_(text.recipe), options_(text.options), text_(text) {
  const int64_t width = text.encoder->config().hidden_size;
  noun_ = std::make_unique<Linear>(ParameterScope(head_parameters_, "noun"), width, kObjectClasses + kSizes);
  end_ = std::make_unique<Linear>(ParameterScope(head_parameters_, "end"), width, kEndClasses);
  head_parameters_.initialise(mix_seed(recipe_.seed, kTextStream, 1));
  for (const Parameter& p : head_parameters_.all()) p.tensor.set_data(p.tensor.to(options_.device));
  joint_.adopt(text.parameters, "text_encoder.");
  joint_.adopt(head_parameters_, "heads.");
  joint_.require_grad(true);
}

at::Tensor TextStage::loss(int64_t step) const {
  const int64_t batch = recipe_.text.batch;
  std::vector<Scene> scenes;
  std::vector<const Scene*> pointers;
  for (int64_t i = 0; i < batch; ++i) scenes.push_back(make_scene(recipe_.scenes, mix_seed(recipe_.seed, kTextStream, 2), step * batch + i));
  for (const Scene& s : scenes) pointers.push_back(&s);
  const CaptionBatch c = caption_batch(pointers, std::vector<bool>(scenes.size(), false), mix_seed(recipe_.seed, kTextStream + 1, step), *text_.tokenizer, recipe_.text_length);
  const at::Tensor hidden = text_.encoder->forward(c.ids.to(options_.device), {}, {}).last;
  const auto at_positions = [&](const at::Tensor& positions, const Linear& head) {  // positions [B] -> logits [B,classes]
    const at::Tensor index = positions.to(hidden.device()).view({batch, 1, 1}).expand({batch, 1, hidden.size(2)});
    return head(hidden.gather(1, index).squeeze(1)).to(at::kFloat);
  };
  at::Tensor total;
  for (std::size_t m = 0; m < kMentions; ++m) {
    Targets t(at_positions(c.placed.select(1, static_cast<int64_t>(m)), *noun_));
    add_object_targets(t, scenes, c.captions, m);
    t.add(kSizes, labels(scenes, [&](const Scene& s, std::size_t i) {
      const Told it = told(s, c.captions[i], m);
      return it.object ? static_cast<int64_t>(it.object->size) : kIgnore;
    }));
    if (t.sum().defined()) total = total.defined() ? total + t.sum() : t.sum();
  }
  Targets end(at_positions(c.ends, *end_));
  for (std::size_t m = 0; m < kMaxObjects; ++m) add_object_targets(end, scenes, c.captions, m);
  end.add(kMaxObjects + 1, labels(scenes, [](const Scene& s, std::size_t) { return static_cast<int64_t>(s.objects.size()); }));
  end.add(kTones, labels(scenes, [](const Scene& s, std::size_t) { return static_cast<int64_t>(s.tone); }));
  end.add(kPatterns, labels(scenes, [](const Scene& s, std::size_t) { return static_cast<int64_t>(s.pattern); }));
  for (std::size_t k = 0; k < kMaxLetters && recipe_.spelling; ++k)
    end.add(kLetterClasses, labels(scenes, [&](const Scene& s, std::size_t) { return !s.sign ? kIgnore : k < s.sign->text.size() ? letter_class(s.sign->text[k]) : kLetterClasses - 1; }));
  return total + end.sum();
}

bool TextStage::run(Deadline deadline) {
  const LoopPlan plan{.stage = "text",
                      .recipe = recipe_.text,
                      .recipe_hash = sha256_hex(recipe_.text_encoder.dump() + recipe_.name).substr(0, 16)};
  TrainingLoop loop(joint_, plan, options_, deadline);
  const bool done = loop.run([&](int64_t step) { return loss(step); }, nullptr);
  samples_ = loop.samples();
  loop.optimiser().finish();
  std::vector<at::Tensor> values;
  for (const Parameter& p : text_.parameters.all()) values.push_back(p.tensor);
  if (done) text_.export_to(options_.out / "model", values);
  return done;
}

}  // namespace safelight
