// Trajectory consistency sampling. Source: Zheng et al. 2024 (arXiv:2402.19159), strategic stochastic sampling with
// share `eta` (gamma in the paper) of fresh noise, 0.3 unless told.
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/consistency_steps.h"

namespace safelight {
namespace {

class Tcd final : public TimestepSolver {
 public:
  explicit Tcd(const SolverInputs& in) : TimestepSolver(in) { set_timesteps(consistency_timesteps(in_, "tcd")); }

  void feed(const Estimate& e) override {
    const double eta = in_.eta.value_or(0.3);
    const int to = last() ? 0 : timesteps_[i_ + 1];
    const double target = table_.alpha_bar(to), between = table_.alpha_bar(static_cast<int>(std::floor((1 - eta) * to)));
    at::Tensor x = std::sqrt(between) * e.x0 + std::sqrt(1 - between) * e.eps;
    if (eta > 0 && !last()) x = std::sqrt(target / between) * x + std::sqrt(1 - target / between) * fresh_noise();
    x_ = x;
    ++i_;
  }
};

}  // namespace

SolverEntry tcd() {
  return {.name = "tcd", .class_name = "TCDScheduler", .summary = "trajectory consistency sampling, for models distilled for it",
          .source = "arXiv:2402.19159", .order = 1, .stochastic = true, .history = "none", .min_steps = 1, .make = make<Tcd>, .takes_split = true};
}

}  // namespace safelight
