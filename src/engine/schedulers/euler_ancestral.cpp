// First-order step with fresh noise at every step. Source: Karras et al. 2022 (arXiv:2206.00364), ancestral form of
// Ho et al. 2020 (arXiv:2006.11239).
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

class EulerAncestral final : public SigmaSolver {
 public:
  explicit EulerAncestral(const SolverInputs& in) : SigmaSolver(in) { set_usual_grid(); }

  void feed(const Estimate& e) override {
    const double from = sigma(i_), to = sigma(i_ + 1);
    const double up = std::sqrt(to * to * (from * from - to * to) / (from * from));
    const double down = std::sqrt(to * to - up * up);
    x_ = e.x0 + down * e.eps + up * fresh_noise();
    ++i_;
  }
};

}  // namespace

SolverEntry euler_ancestral() {
  return {.name = "euler-ancestral", .class_name = "EulerAncestralDiscreteScheduler",
          .summary = "first order with fresh noise at every step", .source = "arXiv:2206.00364", .order = 1,
          .stochastic = true, .history = "none", .min_steps = 1, .make = make<EulerAncestral>, .takes_split = true};
}

}  // namespace safelight
