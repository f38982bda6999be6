// Denoising diffusion implicit models. Source: Song et al. 2020 (arXiv:2010.02502), eq. 12 and 16.
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

class Ddim final : public TimestepSolver {
 public:
  explicit Ddim(const SolverInputs& in) : TimestepSolver(in) {
    std::vector<double> timesteps = spaced_timesteps(in_.config, in_.steps);
    for (double& t : timesteps) t = std::nearbyint(t);
    set_timesteps(timesteps);
  }

  void feed(const Estimate& e) override {
    const double bar = alpha_bar(timesteps_[i_]), eta = in_.eta.value_or(0.0);
    const double bar_next = alpha_bar(next_timestep());
    const double variance = (1 - bar_next) / (1 - bar) * (1 - bar / bar_next);
    const double spread = eta * std::sqrt(std::max(variance, 0.0));
    const at::Tensor eps = in_.use_clipped_output ? (x_ - std::sqrt(bar) * e.x0) / std::sqrt(1 - bar) : e.eps;
    at::Tensor x = std::sqrt(bar_next) * e.x0 + std::sqrt(std::max(1 - bar_next - spread * spread, 0.0)) * eps;
    if (eta > 0) x = x + spread * fresh_noise();
    x_ = x;
    ++i_;
  }
};

}  // namespace

SolverEntry ddim() {
  return {.name = "ddim", .class_name = "DDIMScheduler", .summary = "first order, deterministic at eta 0",
          .source = "arXiv:2010.02502", .order = 1, .stochastic = false, .history = "none", .min_steps = 1, .make = make<Ddim>, .takes_split = true};
}

}  // namespace safelight
