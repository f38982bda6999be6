#include "engine/training/training_loop.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "common/base/error.h"
#include "common/base/json.h"
#include "engine/weights/weight_file.h"

namespace safelight {

uint64_t mix_seed(uint64_t seed, uint64_t stream, uint64_t index) {
  uint64_t x = seed * 0x9E3779B97F4A7C15ull + stream * 0xD1B54A32D192ED03ull + index + 1;  // splitmix64
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

std::filesystem::path checkpoint_file(const std::filesystem::path& out, const std::string& stage) { return out / (stage + ".checkpoint.safetensors"); }

std::filesystem::path log_file(const std::filesystem::path& out) { return out / "log.jsonl"; }

TrainingLoop::TrainingLoop(Parameters& parameters, const LoopPlan& plan, const TrainOptions& options,
                           std::chrono::steady_clock::time_point deadline)
    : parameters_(parameters),
      plan_(plan),
      checkpoint_(checkpoint_file(options.out, plan.stage)),
      log_(log_file(options.out)),
      options_(options),
      deadline_(deadline),
      started_(std::chrono::steady_clock::now()),
      last_save_(started_),
      last_report_(started_),
      last_evaluation_(started_),
      optimiser_(parameters, {.precision = plan.recipe.bfloat16 ? at::kBFloat16 : at::kFloat, .weight_decay = plan.weight_decay, .ema_decay = plan.recipe.ema_decay}) {
  if (std::filesystem::exists(checkpoint_)) resume();
  reported_step_ = step_;
  std::ifstream earlier(log_);
  for (std::string line; std::getline(earlier, line);) {
    const Json entry = Json::parse(line, nullptr, false);  // a line that a killed process left half written says nothing
    if (entry.is_object() && entry.value("stage", "") == plan_.stage) seconds_before_ = entry.value("seconds", seconds_before_);
  }
}

double TrainingLoop::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

void TrainingLoop::log(Json line) const {
  line["stage"] = plan_.stage;
  line["samples"] = samples();
  line["seconds"] = seconds();
  std::ofstream(log_, std::ios::app) << line.dump() << '\n';
}

void TrainingLoop::evaluate(const std::filesystem::path& model) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = samples() >= plan_.recipe.samples;
  if (!options_.evaluate || (!last && std::chrono::duration<double>(now - last_evaluation_).count() < options_.evaluate_seconds)) return;
  last_evaluation_ = now;
  log({{"evaluation", options_.evaluate(model, plan_.stage, samples())}});
}

void TrainingLoop::resume() {
  const auto state = read_tensors(checkpoint_);
  const auto hash = state.find("recipe/" + plan_.recipe_hash);
  if (hash == state.end())
    throw Error(ErrorCode::conflict, checkpoint_.string() +
                                         " belongs to another recipe; train into another directory or remove it");
  at::NoGradGuard no_grad;
  const auto stored = [&](const std::string& key, const at::Tensor& like) -> const at::Tensor& {
    const auto it = state.find(key);
    if (it == state.end() || it->second.sizes() != like.sizes())
      throw Error(ErrorCode::corrupt_file, checkpoint_.string() + ": tensor '" + key + "' is missing or mis-shaped");
    return it->second;
  };
  for (std::size_t i = 0; i < parameters_.all().size(); ++i) {
    const Parameter& p = parameters_.all()[i];
    optimiser_.set_weight(i, stored("weights/" + p.name, p.tensor));
    optimiser_.mutable_average()[i].copy_(stored("average/" + p.name, p.tensor));
    optimiser_.first()[i].copy_(stored("first/" + p.name, p.tensor));
    optimiser_.second()[i].copy_(stored("second/" + p.name, p.tensor));
  }
  step_ = hash->second[0].item<int64_t>();
  optimiser_.set_steps(hash->second[1].item<int64_t>());
}

void TrainingLoop::save() {
  std::vector<std::pair<std::string, at::Tensor>> state;
  state.emplace_back("recipe/" + plan_.recipe_hash, at::tensor({step_, optimiser_.steps()}, at::kLong));
  for (std::size_t i = 0; i < parameters_.all().size(); ++i) {
    const Parameter& p = parameters_.all()[i];
    state.emplace_back("weights/" + p.name, optimiser_.weights()[i]);
    state.emplace_back("average/" + p.name, optimiser_.average()[i]);
    state.emplace_back("first/" + p.name, optimiser_.first()[i]);
    state.emplace_back("second/" + p.name, optimiser_.second()[i]);
  }
  write_tensors(checkpoint_, state, {});
  last_save_ = std::chrono::steady_clock::now();
}

double TrainingLoop::learning_rate() const {
  const StageRecipe& r = plan_.recipe;
  const double total = std::max(1.0, static_cast<double>(r.samples) / static_cast<double>(r.batch));
  const double s = static_cast<double>(step_);
  if (s < static_cast<double>(r.warmup_steps)) return r.learning_rate * (s + 1) / static_cast<double>(r.warmup_steps);
  // Constant, then linear to a hundredth over the last part: a run can be made longer without having been planned so
  // (Haegele et al., arXiv:2405.18392).
  const double left = std::max(0.0, 1 - s / total) / r.cooldown;
  return r.learning_rate * std::max(0.01, std::min(1.0, left));
}

void TrainingLoop::report(double loss) {
  loss_ = loss_ == 0 ? loss : 0.98 * loss_ + 0.02 * loss;
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - last_report_).count();
  if (seconds < 5) return;
  const double rate = static_cast<double>((step_ - reported_step_) * plan_.recipe.batch) / seconds;
  rate_ = rate_ == 0 ? rate : 0.7 * rate_ + 0.3 * rate;
  last_report_ = now;
  reported_step_ = step_;
  const TrainProgress progress{.stage = plan_.stage,
                               .samples = samples(),
                               .total = plan_.recipe.samples,
                               .samples_per_s = rate_,
                               .seconds_left = static_cast<double>(plan_.recipe.samples - samples()) / std::max(rate_, 1e-9),
                               .loss = loss_};
  log({{"loss", progress.loss}, {"learning_rate", learning_rate()}, {"samples_per_s", progress.samples_per_s}});
  if (options_.progress) options_.progress(progress);
}

bool TrainingLoop::run(const std::function<at::Tensor(int64_t step)>& loss_of,
                       const std::function<void()>& on_checkpoint) {
  const auto save_all = [&] {
    save();
    if (loss_ != 0) log({{"loss", loss_}, {"learning_rate", learning_rate()}, {"samples_per_s", rate_}});
    if (on_checkpoint) on_checkpoint();
  };
  while (samples() < plan_.recipe.samples) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline_ || (options_.stop && options_.stop())) {
      save_all();
      return false;
    }
    const at::Tensor loss = loss_of(step_);
    loss.backward();
    optimiser_.step(learning_rate());
    ++step_;
    report(loss.item<double>());
    if (std::chrono::duration<double>(now - last_save_).count() > options_.checkpoint_seconds) save_all();
  }
  save_all();
  return true;
}

}  // namespace safelight
