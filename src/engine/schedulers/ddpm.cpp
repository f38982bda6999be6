// Ancestral sampling of the trained chain. Source: Ho et al. 2020 (arXiv:2006.11239), eq. 6 and 7; the variances of
// Nichol and Dhariwal 2021 (arXiv:2102.09672).
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

class Ddpm final : public TimestepSolver {
 public:
  explicit Ddpm(const SolverInputs& in) : TimestepSolver(in) {
    std::vector<double> timesteps = in_.custom.timesteps.empty() ? spaced_timesteps(in_.config, in_.steps) : in_.custom.timesteps;
    for (double& t : timesteps) t = std::nearbyint(t);
    set_timesteps(timesteps);
  }

  void feed(const Estimate& e) override {
    const int t = timesteps_[i_];
    const double bar = table_.alpha_bar(t), before = previous_alpha_bar();
    const double alpha = bar / before, beta = 1 - alpha;
    at::Tensor x = std::sqrt(before) * beta / (1 - bar) * e.x0 + std::sqrt(alpha) * (1 - before) / (1 - bar) * x_;
    if (t > 0) {
      const double small = std::max((1 - before) / (1 - bar) * beta, 1e-20);
      x = x + std::sqrt(in_.config.variance == "fixed_large" ? beta : small) * fresh_noise();
    }
    x_ = x;
    ++i_;
  }

 private:
  double previous_alpha_bar() const {
    int t = next_timestep();
    if (!in_.custom.timesteps.empty()) t = last() ? -1 : timesteps_[i_ + 1];
    return t >= 0 ? table_.alpha_bar(t) : 1.0;
  }
};

}  // namespace

SolverEntry ddpm() {
  return {.name = "ddpm", .class_name = "DDPMScheduler", .summary = "the trained chain itself, fresh noise at every step",
          .source = "arXiv:2006.11239", .order = 1, .stochastic = true, .history = "none", .min_steps = 1, .make = make<Ddpm>};
}

}  // namespace safelight
