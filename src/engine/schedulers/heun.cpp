// Second-order ODE step: an Euler step and its correction. Source: Karras et al. 2022 (arXiv:2206.00364), Algorithm 1.
#include <ATen/ATen.h>

#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

// Evaluations, not steps, are numbered by i_: every node but the first and the last is visited twice.
class Heun final : public SigmaSolver {
 public:
  explicit Heun(const SolverInputs& in) : SigmaSolver(in) {
    SigmaGrid single = sigma_grid(in_.config, table_, in_.steps, in_.custom), twice;
    twice.initial_scale = single.initial_scale;
    for (std::size_t k = 0; k < single.timesteps.size(); ++k)
      for (int copy = 0; copy < (k == 0 ? 1 : 2); ++copy) {
        twice.timesteps.push_back(single.timesteps[k]);
        twice.sigmas.push_back(single.sigmas[k]);
      }
    twice.sigmas.push_back(single.sigmas.back());
    set_grid(std::move(twice));
    scalars_ = {0.0};
  }

  // history: the slope and the sample at the start of the step, present between its two evaluations.
  void feed(const Estimate& e) override {
    const at::Tensor slope = converter_.limits() ? (x_ - e.x0) / sigma(i_) : e.eps;
    if (history_.empty()) {
      const double h = sigma(i_ + 1) - sigma(i_);
      if (!last()) {
        history_ = {slope, x_};
        scalars_[0] = h;
      }
      x_ = x_ + h * slope;
    } else {
      x_ = history_[1] + scalars_[0] * 0.5 * (history_[0] + slope);
      history_.clear();
    }
    ++i_;
  }

  int step() const override { return (static_cast<int>(i_) - in_.first + 1) / 2; }
  int steps() const override { return (SolverBase::steps() + 1) / 2; }
  Node node(int step) const override {
    return nodes_[static_cast<std::size_t>(step == 0 ? in_.first : std::min(in_.first + 2 * step - 1, static_cast<int>(nodes_.size()) - 1))];
  }
};

}  // namespace

SolverEntry heun() {
  return {.name = "heun", .class_name = "HeunDiscreteScheduler", .summary = "second order, two evaluations a step",
          .source = "arXiv:2206.00364", .order = 2, .stochastic = false, .history = "eps", .min_steps = 1, .make = make<Heun>, .stages = 2};
}

}  // namespace safelight
