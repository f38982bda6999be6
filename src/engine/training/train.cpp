#include "engine/training/train.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
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

// The stages that are to be trained, in their order.
std::set<std::string> chosen_stages(const Recipe& recipe, const std::string& names) {
  const std::vector<std::pair<std::string, bool>> known = {{"autoencoder", recipe.autoencoder.samples > 0}, {"text", recipe.text.samples > 0}, {"denoiser", recipe.denoiser.samples > 0}, {"distillation", recipe.distillation.samples > 0}};
  std::set<std::string> out;
  std::stringstream in(names);
  for (std::string name; std::getline(in, name, ',');) {
    const auto it = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == name; });
    if (name != "all" && it == known.end())
      throw Error(ErrorCode::invalid_argument, "stage '" + name + "' is unknown; known: all, autoencoder, text, denoiser, distillation");
    if (name != "all" && !it->second) throw Error(ErrorCode::invalid_argument, "the recipe has no [train_" + name + "]");
    for (const auto& [stage, there] : known)
      if (there && (name == "all" || name == stage)) out.insert(stage);
  }
  return out;
}

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
  }
  if (done && (denoises || stages.contains("text"))) {
    TextModel text(recipe, options);
    if (stages.contains("text") || finished_before("text")) {
      TextStage stage(recipe, options, text);
      done = stage.run(deadline);
      report.samples["text"] = stage.samples();
    }
    if (done && denoises) {
      DenoiserStage stage(recipe, options, autoencoder, text);
      done = stage.run(deadline);
      report.samples["denoiser"] = stage.samples();
    }
  }
  return done;
}

}  // namespace

TrainReport train(const Recipe& recipe, const TrainOptions& options) {
  const std::set<std::string> stages = chosen_stages(recipe, options.stages);
  const bool distils = stages.contains("distillation");
  if (distils && options.from.empty())
    throw Error(ErrorCode::invalid_argument, "the stage distillation learns from a finished model: name the teacher's directory with --from");
  std::filesystem::create_directories(options.out);
  const auto deadline = deadline_of(options);
  TrainReport report;
  report.model = options.out / "model";
  report.finished = stages.size() == (distils ? 1 : 0) || train_on_scenes(recipe, options, stages, deadline, report);
  if (report.finished && distils) {
    DistillationStage stage(recipe, options);
    report.finished = stage.run(deadline);
    report.samples["distillation"] = stage.samples();
  }
  return report;
}

}  // namespace safelight
