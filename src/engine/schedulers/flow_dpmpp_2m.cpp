// Second-order multistep exponential integration of the clean estimate, for flow matching. Source: Lu et al. 2022
// (arXiv:2211.01095), Algorithm 2, with the flow's own signal-to-noise ratio: lambda = log((1 - sigma) / sigma).
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/flow_grid.h"

namespace safelight {
namespace {

double lambda(double sigma) { return std::log((1 - sigma) / sigma); }

class FlowDpm final : public FlowSolver {
 public:
  explicit FlowDpm(const SolverInputs& in) : FlowSolver(in) { set_grid(flow_grid(in_.config, in_.steps, in_.custom)); }

  void feed(const Estimate& e) override {
    const double from = sigmas_[i_], to = sigmas_[i_ + 1];
    at::Tensor clean = e.x0;
    if (to > 0 && !history_.empty()) {
      // From pure noise the step before was infinitely long in lambda: then there is nothing to extrapolate from.
      const double before = lambda(from) - lambda(sigmas_[i_ - 1]), share = std::isfinite(before) ? (lambda(to) - lambda(from)) / before : 0.0;
      clean = (1 + share / 2) * e.x0 - share / 2 * recalled(1);
    }
    const double decay = from < 1 ? to / from * (1 - from) / (1 - to) : 0.0;
    x_ = to > 0 ? to / from * x_ + (1 - to) * (1 - decay) * clean : e.x0;
    remember(e.x0, 1);
    ++i_;
  }
};

}  // namespace

SolverEntry flow_dpmpp_2m() {
  return {.name = "flow-dpmpp-2m", .class_name = "FlowMatchDPMSolverMultistepScheduler", .summary = "second order from one evaluation a step, for flow-matching models",
          .source = "arXiv:2211.01095", .order = 2, .stochastic = false, .history = "x0", .min_steps = 1, .make = make<FlowDpm>};
}

}  // namespace safelight
