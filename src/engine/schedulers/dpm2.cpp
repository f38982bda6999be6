// Second-order step through the geometric middle of the noise levels. Source: Karras et al. 2022 (arXiv:2206.00364),
// Algorithm 2 without churn, with DPM-Solver-2's midpoint (Lu et al. 2022, arXiv:2206.00927).
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/two_stage.h"

namespace safelight {
namespace {

class Dpm2 final : public TwoStageSolver {
 public:
  explicit Dpm2(const SolverInputs& in) : TwoStageSolver(in) {
    const SigmaGrid single = single_steps();
    std::vector<double> middle;
    for (std::size_t k = 0; k + 1 < single.timesteps.size(); ++k) middle.push_back(std::sqrt(single.sigmas[k] * single.sigmas[k + 1]));
    interleave(single, middle);
  }

  void feed(const Estimate& e) override {
    const at::Tensor d = slope(e);
    if (inside()) {
      x_ = history_.front() + (sigma(i_ + 1) - sigma(i_ - 1)) * d;
      history_.clear();
    } else {
      if (!last()) history_ = {x_};
      x_ = x_ + (sigma(i_ + 1) - sigma(i_)) * d;
    }
    ++i_;
  }
};

}  // namespace

SolverEntry dpm2() {
  return {.name = "dpm2", .class_name = "KDPM2DiscreteScheduler", .summary = "second order, two evaluations a step, midpoint",
          .source = "arXiv:2206.00364", .order = 2, .stochastic = false, .history = "none", .min_steps = 1, .make = make<Dpm2>, .stages = 2};
}

}  // namespace safelight
