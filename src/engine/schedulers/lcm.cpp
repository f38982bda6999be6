// Latent consistency sampling. Source: Luo et al. 2023 (arXiv:2310.04378), Algorithm 3.
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/consistency_steps.h"

namespace safelight {
namespace {

constexpr double kSigmaData = 0.5;

class Lcm final : public TimestepSolver {
 public:
  explicit Lcm(const SolverInputs& in) : TimestepSolver(in) { set_timesteps(consistency_timesteps(in_, "lcm")); }

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
