// Faults of the way down the noise: which levels are visited, what the network is told about them, how the solver steps.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "assay/decorators.h"
#include "common/base/error.h"

namespace safelight {
namespace {

const Truth kScheduler = {.subsystem = "scheduler", .also = {}, .trigger = "scheduler"};
const Truth kSetting = {.subsystem = "scheduler", .also = {"configuration"}, .trigger = "scheduler"};

void few_steps(const FaultSite& s, Injection& i) { i.request.steps = static_cast<int>(s.dose); }

void timestep_offset(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.inputs = [offset = s.dose](DenoiserInputs& in) { in.timesteps = at::clamp_min(in.timesteps - offset, 0.0); }});
}

void input_unscaled(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.inputs = [factor = s.dose](DenoiserInputs& in) { in.x = in.x * factor; }});
}

void timestep_frozen(const FaultSite& s, Injection& i) {
  const double least = s.dose * train_timesteps(s.healthy);
  damage_denoiser(i, {.from_timestep = least, .inputs = [least](DenoiserInputs& in) { in.timesteps = at::clamp_min(in.timesteps, least); }});
}

// Descending whole timesteps from the noisiest on: place(0) = 0 .. place(1) = 1 is the share of the way from `from` to `to`.
template <class Place>
std::vector<double> timesteps_of(int steps, double from, double to, Place place) {
  std::vector<double> out;
  for (int k = 0; k < steps; ++k) {
    const double t = std::nearbyint(from + (to - from) * place(static_cast<double>(k) / std::max(1, steps - 1)));
    out.push_back(out.empty() ? t : std::min(t, out.back() - 1));
  }
  const double below = std::max(0.0, -out.back());  // strictly descending, and none below zero
  for (double& t : out) t += below;
  return out;
}

void stops_early(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.steps = [from = train_timesteps(s.healthy) - 1.0, to = s.dose * train_timesteps(s.healthy)](int steps) {
    return CustomSteps{.timesteps = timesteps_of(steps, from, to, [](double part) { return part; })};
  }});
  i.truth.from_timestep = -1;
}

void starts_late(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.steps = [from = s.dose * train_timesteps(s.healthy)](int steps) {
    return CustomSteps{.timesteps = timesteps_of(steps, from, from / steps, [](double part) { return part; })};
  }});
}

void uneven(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.steps = [from = train_timesteps(s.healthy) - 1.0, jitter = s.dose, seed = s.seed](int steps) {
    SceneRandom random(seed, 1);
    return CustomSteps{.timesteps = timesteps_of(steps, from, from / steps, [&](double part) { return std::clamp(part + jitter * (random.uniform() - 0.5), 0.0, 1.0); })};
  }});
  i.truth.from_timestep = -1;
}

void bunched(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.steps = [from = train_timesteps(s.healthy) - 1.0, power = s.dose](int steps) {
    return CustomSteps{.timesteps = timesteps_of(steps, from, from / steps, [power](double part) { return std::pow(part, power); })};
  }});
  i.truth.from_timestep = -1;
}

void noise_schedule(const FaultSite& s, Injection& i) {
  if (!s.healthy.scheduler_config.contains("beta_end")) throw Error(ErrorCode::unsupported, "fault 'noise-schedule' needs a model with a schedule of betas");
  damage_scheduler(i, [factor = s.dose](Json& config) { config["beta_end"] = config["beta_end"].get<double>() * factor; });
  i.truth.from_timestep = kEveryTimestep;
}

void dropped_history(const FaultSite& s, Injection& i) {
  i.request.steps = static_cast<int>(s.dose);
  damage_scheduler(i, [](Json& config) { config["solver_order"] = 1; });
}

void thresholding(const FaultSite& s, Injection& i) {
  damage_scheduler(i, [limit = s.dose](Json& config) {
    config["thresholding"] = true;
    config["sample_max_value"] = limit;
  });
  i.truth.from_timestep = kEveryTimestep;
}

}  // namespace

std::vector<FaultEntry> scheduler_faults() {
  return {
      {"too-few-steps", "fewer steps are asked for than the solver needs",
       {.subsystem = "scheduler", .also = {}, .trigger = "scheduler", .causes = {"too-few-steps"}}, {5, 3, 2}, "steps", false, few_steps},
      {"timestep-offset", "the network is told less noise than there is", kScheduler, {50, 150, 300}, "training steps", false, timestep_offset},
      {"final-noise-skipped", "the last evaluation is at a noise level far above zero", kScheduler, {0.15, 0.3, 0.5}, "of the schedule is left out", false, stops_early},
      {"first-noise-skipped", "sampling starts from full noise at a noise level below it", kScheduler, {0.85, 0.7, 0.5}, "of the schedule is left", false, starts_late},
      {"input-unscaled", "the network is given latents of another size than it was trained with",
       {.subsystem = "scheduler", .also = {"denoiser", "configuration"}, .trigger = "scheduler"}, {1.05, 1.2, 1.5}, "factor", true, input_unscaled},
      {"timestep-frozen", "the network is told at least so much noise, however little is left", kScheduler, {0.2, 0.4, 0.7}, "of the schedule", true, timestep_frozen},
      {"steps-uneven", "the noise levels that are visited lie unevenly", kScheduler, {0.1, 0.3, 0.6}, "of the schedule, at most", true, uneven},
      {"steps-bunched", "nearly all steps are spent at the noisy end", kScheduler, {2, 4, 8}, "power of the spacing", false, bunched},
      {"noise-schedule", "the noise levels are those of another training", kSetting, {0.6, 0.4, 0.2}, "times beta_end", false, noise_schedule},
      {"dropped-history", "a multistep solver forgets its last estimate, at a step count that needs it", kScheduler, {12, 8, 5}, "steps", false, dropped_history},
      {"thresholding", "estimates are clipped as if latents were pixels", kSetting, {2, 1.4, 1}, "largest value", false, thresholding},
  };
}

}  // namespace safelight
