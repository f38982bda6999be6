// First-order step along the flow. Source: Esser et al. 2024 (arXiv:2403.03206).
#include <ATen/ATen.h>

#include "engine/schedulers/flow_grid.h"

namespace safelight {
namespace {

class FlowEuler final : public FlowSolver {
 public:
  explicit FlowEuler(const SolverInputs& in) : FlowSolver(in) { set_grid(flow_grid(in_.config, in_.steps, in_.custom)); }

  void feed(const Estimate& e) override {
    x_ = x_ + (sigmas_[i_ + 1] - sigmas_[i_]) * e.raw;
    ++i_;
  }
};

}  // namespace

SolverEntry flow_euler() {
  return {.name = "flow-euler", .class_name = "FlowMatchEulerDiscreteScheduler", .summary = "first order, for flow-matching models",
          .source = "arXiv:2403.03206", .order = 1, .stochastic = false, .history = "none", .min_steps = 1, .make = make<FlowEuler>};
}

}  // namespace safelight
