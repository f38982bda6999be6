// The midpoint step with fresh noise at every step. Source: as dpm2, in ancestral form.
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/two_stage.h"

namespace safelight {
namespace {

struct Split {
  double up = 0, down = 0;
};

class Dpm2Ancestral final : public TwoStageSolver {
 public:
  explicit Dpm2Ancestral(const SolverInputs& in) : TwoStageSolver(in) {
    const SigmaGrid single = single_steps();
    std::vector<double> middle;
    for (std::size_t k = 0; k + 1 < single.timesteps.size(); ++k)
      middle.push_back(std::sqrt(single.sigmas[k] * split(single.sigmas[k], single.sigmas[k + 1]).down));
    interleave(single, middle);
  }

  void feed(const Estimate& e) override {
    const at::Tensor d = slope(e);
    // Drawn whether it is used or not: the generator's state is part of what makes a seed reproducible.
    const at::Tensor noise = fresh_noise();
    if (inside()) {
      const Split s = split(sigma(i_ - 1), sigma(i_ + 1));
      x_ = history_.front() + (s.down - sigma(i_ - 1)) * d + s.up * noise;
      history_.clear();
    } else {
      if (!last()) history_ = {x_};
      x_ = x_ + (sigma(i_ + 1) - sigma(i_)) * d;
    }
    ++i_;
  }

 private:
  static Split split(double from, double to) {
    const double up = std::sqrt(to * to * (from * from - to * to) / (from * from));
    return {up, std::sqrt(to * to - up * up)};
  }
};

}  // namespace

SolverEntry dpm2_ancestral() {
  return {.name = "dpm2-ancestral", .class_name = "KDPM2AncestralDiscreteScheduler", .summary = "midpoint step with fresh noise at every step",
          .source = "arXiv:2206.00364", .order = 2, .stochastic = true, .history = "none", .min_steps = 1, .make = make<Dpm2Ancestral>, .stages = 2};
}

}  // namespace safelight
