// First-order ODE step in the variance-exploding scale, with optional churn. Source: Karras et al. 2022
// (arXiv:2206.00364), Algorithm 2 with one evaluation a step.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

class Euler final : public SigmaSolver {
 public:
  explicit Euler(const SolverInputs& in) : SigmaSolver(in) { set_usual_grid(); }

  void feed(const Estimate& e) override {
    const double from = sigma(i_), to = sigma(i_ + 1);
    const bool churns = from >= in_.s_tmin && from <= in_.s_tmax;
    const double gamma = churns ? std::min(in_.s_churn / static_cast<double>(sigmas_.size() - 1), std::sqrt(2.0) - 1) : 0.0;
    // Drawn whether it is used or not: the generator's state is part of what makes a seed reproducible.
    const at::Tensor noise = fresh_noise();
    if (gamma > 0) {
      const double raised = from * (1 + gamma);
      const at::Tensor x = x_ + noise * (in_.s_noise * std::sqrt(raised * raised - from * from));
      x_ = x + (to - raised) * e.eps;
    } else {
      x_ = converter_.limits() ? x_ + (to - from) / from * (x_ - e.x0) : e.x0 + to * e.eps;
    }
    ++i_;
  }
};

}  // namespace

SolverEntry euler() {
  return {.name = "euler", .class_name = "EulerDiscreteScheduler", .summary = "first order, deterministic without churn",
          .source = "arXiv:2206.00364", .order = 1, .stochastic = false, .history = "none", .min_steps = 1, .make = make<Euler>, .takes_split = true};
}

}  // namespace safelight
