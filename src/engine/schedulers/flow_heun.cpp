// Second-order step along the flow: an Euler step and its correction. Source: Karras et al. 2022 (arXiv:2206.00364),
// Algorithm 1, on the schedule of Esser et al. 2024 (arXiv:2403.03206).
#include <ATen/ATen.h>

#include "engine/schedulers/flow_grid.h"

namespace safelight {
namespace {

// Evaluations are numbered by i_: every node but the first and the last is visited twice.
class FlowHeun final : public FlowSolver {
 public:
  explicit FlowHeun(const SolverInputs& in) : FlowSolver(in) {
    const SigmaGrid single = flow_grid(in_.config, in_.steps, in_.custom);
    SigmaGrid twice;
    for (std::size_t k = 0; k < single.timesteps.size(); ++k)
      for (int copy = 0; copy < (k == 0 ? 1 : 2); ++copy) {
        twice.timesteps.push_back(single.timesteps[k]);
        twice.sigmas.push_back(single.sigmas[k]);
      }
    twice.sigmas.push_back(single.sigmas.back());
    set_grid(twice);
  }

  // history: the slope and the sample at the start of the step, present between its two evaluations.
  void feed(const Estimate& e) override {
    fresh_noise();  // the reference draws at every evaluation: the generator's state is part of a seed
    if (history_.empty()) {
      if (!last()) history_ = {e.raw, x_};
      x_ = x_ + (sigmas_[i_ + 1] - sigmas_[i_]) * e.raw;
    } else {
      x_ = history_[1] + (sigmas_[i_] - sigmas_[i_ - 1]) * 0.5 * (history_[0] + e.raw);
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

SolverEntry flow_heun() {
  return {.name = "flow-heun", .class_name = "FlowMatchHeunDiscreteScheduler", .summary = "second order, for flow-matching models",
          .source = "arXiv:2403.03206", .order = 2, .stochastic = false, .history = "eps", .min_steps = 1, .make = make<FlowHeun>, .stages = 2};
}

}  // namespace safelight
