// Latent consistency sampling. Source: Luo et al. 2023 (arXiv:2310.04378), Algorithm 3.
#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

constexpr double kSigmaData = 0.5;

class Lcm final : public TimestepSolver {
 public:
  explicit Lcm(const SolverInputs& in) : TimestepSolver(in) {
    if (!in_.custom.timesteps.empty()) {
      set_timesteps(in_.custom.timesteps);
      return;
    }
    const int original = in_.custom.original_steps > 0 ? in_.custom.original_steps : in_.config.original_inference_steps;
    if (in_.steps > original)
      throw Error(ErrorCode::invalid_argument, "lcm takes at most " + std::to_string(original) +
                                                   " steps with this model, " + std::to_string(in_.steps) + " were asked for");
    const int ratio = in_.config.num_train_timesteps / original;
    std::vector<double> timesteps;
    for (int i = 0; i < in_.steps; ++i) {
      const int index = static_cast<int>(std::floor(static_cast<double>(original) * i / in_.steps));
      timesteps.push_back((original - index) * ratio - 1);
    }
    set_timesteps(timesteps);
  }

  void feed(const Estimate& e) override {
    const double scaled = timesteps_[i_] * in_.config.timestep_scaling;
    const double skip = kSigmaData * kSigmaData / (scaled * scaled + kSigmaData * kSigmaData);
    const double out = scaled / std::sqrt(scaled * scaled + kSigmaData * kSigmaData);
    at::Tensor x = out * e.x0 + skip * x_;
    if (!last()) {
      const double bar = alpha_bar(timesteps_[i_ + 1]);
      x = std::sqrt(bar) * x + std::sqrt(1 - bar) * fresh_noise();
    }
    x_ = x;
    ++i_;
  }
};

}  // namespace

SolverEntry lcm() {
  return {.name = "lcm", .class_name = "LCMScheduler", .summary = "consistency sampling, for models distilled for it",
          .source = "arXiv:2310.04378", .order = 1, .stochastic = true, .history = "none", .min_steps = 1, .make = make<Lcm>};
}

}  // namespace safelight
