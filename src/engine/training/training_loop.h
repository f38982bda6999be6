// What every training stage shares: learning-rate schedule, time budget, checkpoints, log, progress.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "common/base/json.h"
#include "engine/training/adamw.h"
#include "engine/training/train.h"

namespace safelight {

// Of a training into `out`: a stage's checkpoint, and the log that all stages share.
std::filesystem::path checkpoint_file(const std::filesystem::path& out, const std::string& stage);
std::filesystem::path log_file(const std::filesystem::path& out);

struct LoopPlan {
  std::string stage;
  StageRecipe recipe;
  std::string recipe_hash;      // a checkpoint of another recipe is refused
  double weight_decay = AdamWSettings{}.weight_decay;
};

class TrainingLoop {
 public:
  TrainingLoop(Parameters& parameters, const LoopPlan& plan, const TrainOptions& options,
               std::chrono::steady_clock::time_point deadline);

  // Calls `loss_of(step)` for every step that is left; it returns the loss of one batch, still attached to its graph.
  // Returns true when all samples were seen, false when time ran out or a stop was asked for.
  // `on_checkpoint` runs after each checkpoint was written.
  bool run(const std::function<at::Tensor(int64_t step)>& loss_of, const std::function<void()>& on_checkpoint);

  // Calls options.evaluate with the exported model, when it is time, and writes what it says into the log.
  void evaluate(const std::filesystem::path& model);

  int64_t step() const { return step_; }
  int64_t samples() const { return step_ * plan_.recipe.batch; }
  AdamW& optimiser() { return optimiser_; }

 private:
  void resume();
  void save();
  double learning_rate() const;
  void report(double loss);
  void log(Json line) const;
  double seconds() const;

  Parameters& parameters_;
  LoopPlan plan_;
  std::filesystem::path checkpoint_, log_;
  const TrainOptions& options_;
  std::chrono::steady_clock::time_point deadline_, started_, last_save_, last_report_, last_evaluation_;
  double seconds_before_ = 0;   // spent on this stage by earlier calls
  AdamW optimiser_;
  int64_t step_ = 0, reported_step_ = 0;
  double loss_ = 0, rate_ = 0;
};

// A number that depends on its arguments only; seeds the noise of one training step.
uint64_t mix_seed(uint64_t seed, uint64_t stream, uint64_t index);

}  // namespace safelight
