#include "engine/training/train.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <memory>
#include <set>
#include <sstream>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

std::chrono::steady_clock::time_point deadline_of(const TrainOptions& options) {
  const auto now = std::chrono::steady_clock::now();
  if (!options.minutes) return now + std::chrono::hours(24 * 365);
  return now + std::chrono::milliseconds(static_cast<int64_t>(*options.minutes * 60'000));
}

template <class Stage>
bool run_stage(const Recipe& recipe, const TrainOptions& options, Deadline deadline, int64_t& samples) {
  Stage stage(recipe, options);
  const bool done = stage.run(deadline);
  samples = stage.samples();
  return done;
}

// The stages on top of a finished model, in their order. Adding one: its file and a line here.
struct LaterStage {
  const char* name;
  StageRecipe Recipe::*recipe;
  const char* needs;   // what is said where --from names no model
  bool (*run)(const Recipe&, const TrainOptions&, Deadline, int64_t& samples);
};
constexpr LaterStage kLaterStages[] = {
    {"distillation", &Recipe::distillation, "learns from a finished model: name the teacher's directory with --from", run_stage<DistillationStage>},
    {"latent_upscaler", &Recipe::latent_upscaler, "enlarges the latents of an autoencoder: name its model's directory with --from", run_stage<LatentUpscalerStage>},
    {"cascade", &Recipe::cascade, "takes autoencoder and text encoder from a model: name its directory with --from", run_stage<CascadeStage>}};

// The stages that are to be trained.
std::set<std::string> chosen_stages(const Recipe& recipe, const std::string& names) {
  std::vector<std::pair<std::string, bool>> known = {{"autoencoder", recipe.autoencoder.samples > 0}, {"text", recipe.text.samples > 0}, {"denoiser", recipe.denoiser.samples > 0}};
  for (const LaterStage& later : kLaterStages) known.emplace_back(later.name, (recipe.*later.recipe).samples > 0);
  std::set<std::string> out;
  std::stringstream in(names);
  for (std::string name; std::getline(in, name, ',');) {
    const auto it = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == name; });
    if (name != "all" && it == known.end()) {
      std::string list = "all";
      for (const auto& [stage, there] : known) list += ", " + stage;
      throw Error(ErrorCode::invalid_argument, "stage '" + name + "' is unknown; known: " + list);
    }
    if (name != "all" && !it->second) throw Error(ErrorCode::invalid_argument, "the recipe has no [train_" + name + "]");
    for (const auto& [stage, there] : known)
      if (there && (name == "all" || name == stage)) out.insert(stage);
  }
  return out;
}

// The text encoders that share the denoiser, each with a directory of its own.
class SharingTexts {
 public:
  explicit SharingTexts(const TrainOptions& options) {
    for (const SharingText& s : options.sharing) {
      all_.push_back(std::make_unique<One>(One{s.recipe, options, nullptr}));
      all_.back()->options.out = options.out / s.recipe.name;
      all_.back()->options.from = s.from;
    }
  }
  // Trains those that start from no model; false when time ran out or a stop was asked for.
  bool prepare(Deadline deadline) {
    for (const auto& one : all_) {
      std::filesystem::create_directories(one->options.out);
      one->text = std::make_unique<TextModel>(one->recipe, one->options);
      if (one->options.from.empty() && !TextStage(*one->text).run(deadline)) return false;
    }
    return true;
  }
  void append_to(std::vector<TextModel*>& texts) const {
    for (const auto& one : all_) texts.push_back(one->text.get());
  }

 private:
  struct One {
    Recipe recipe;
    TrainOptions options;
    std::unique_ptr<TextModel> text;
  };
  std::vector<std::unique_ptr<One>> all_;
};

// The stages that make a model from scenes; false when time ran out or a stop was asked for.
bool train_on_scenes(const Recipe& recipe, const TrainOptions& options, const std::set<std::string>& stages, Deadline deadline, TrainReport& report) {
  const auto finished_before = [&](const char* stage) { return std::filesystem::exists(checkpoint_file(options.out, stage)); };
  const bool denoises = stages.contains("denoiser");
  if (denoises && !stages.contains("autoencoder") && options.from.empty() && !finished_before("autoencoder"))
    throw Error(ErrorCode::invalid_argument, "without the stage autoencoder its weights must come --from a model");
  AutoencoderStage autoencoder(recipe, options);
  bool done = true;
  if (denoises || stages.contains("autoencoder")) {
    done = autoencoder.run(deadline, stages.contains("autoencoder") || finished_before("autoencoder"));
    report.samples["autoencoder"] = autoencoder.samples();
    if (done && !denoises) autoencoder.export_alone();
  }
  if (done && (denoises || stages.contains("text"))) {
    TextModel text(recipe, options);
    if (stages.contains("text") || finished_before("text")) {
      TextStage stage(text);
      done = stage.run(deadline);
      report.samples["text"] = stage.samples();
    }
    SharingTexts sharing(options);
    if (done && denoises && (done = sharing.prepare(deadline))) {
      std::vector<TextModel*> texts = {&text};
      sharing.append_to(texts);
      DenoiserStage stage(recipe, options, autoencoder, texts);
      done = stage.run(deadline);
      report.samples["denoiser"] = stage.samples();
    }
  }
  return done;
}

}  // namespace

TrainReport train(const Recipe& recipe, const TrainOptions& options) {
  const std::set<std::string> stages = chosen_stages(recipe, options.stages);
  for (const LaterStage& later : kLaterStages)
    if (stages.contains(later.name) && options.from.empty()) throw Error(ErrorCode::invalid_argument, std::string("the stage ") + later.name + " " + later.needs);
  std::filesystem::create_directories(options.out);
  const auto deadline = deadline_of(options);
  TrainReport report;
  report.model = options.out / "model";
  const bool on_scenes = std::any_of(stages.begin(), stages.end(), [](const std::string& stage) {
    return std::none_of(std::begin(kLaterStages), std::end(kLaterStages), [&](const LaterStage& later) { return stage == later.name; });
  });
  report.finished = !on_scenes || train_on_scenes(recipe, options, stages, deadline, report);
  for (const LaterStage& later : kLaterStages)
    if (report.finished && stages.contains(later.name)) report.finished = later.run(recipe, options, deadline, report.samples[later.name]);
  return report;
}

}  // namespace safelight
