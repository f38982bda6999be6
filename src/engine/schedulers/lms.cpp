// Linear multistep (Adams-Bashforth over noise levels). Source: Katherine Crowson's k-diffusion formulation; order 4.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

class Lms final : public SigmaSolver {
 public:
  explicit Lms(const SolverInputs& in) : SigmaSolver(in) { set_usual_grid(); }

  void feed(const Estimate& e) override {
    const auto order_limit = static_cast<std::size_t>(in_.lms_order);
    remember(converter_.limits() ? (x_ - e.x0) / sigma(i_) : e.eps, order_limit);
    // When a run starts late the polynomial already has its full order though the memory is short: as in the reference.
    const std::size_t order = std::min(i_ + 1, order_limit);
    at::Tensor x = x_;
    for (std::size_t k = 0; k < std::min(order, history_.size()); ++k) x = x + coefficient(order, k) * recalled(k + 1);
    x_ = x;
    ++i_;
  }

 private:
  // Integral over the step of the Lagrange polynomial that is 1 at the k-th last node. Gauss-Legendre with four points
  // is exact for these cubics.
  double coefficient(std::size_t order, std::size_t k) const {
    constexpr std::array<double, 4> at = {-0.8611363115940526, -0.3399810435848563, 0.3399810435848563, 0.8611363115940526};
    constexpr std::array<double, 4> weight = {0.3478548451374538, 0.6521451548625461, 0.6521451548625461, 0.3478548451374538};
    const double a = sigma(i_), b = sigma(i_ + 1);
    double sum = 0;
    for (std::size_t g = 0; g < at.size(); ++g) {
      const double s = 0.5 * (a + b) + 0.5 * (b - a) * at[g];
      double product = 1;
      for (std::size_t j = 0; j < order; ++j)
        if (j != k) product *= (s - sigma(i_ - j)) / (sigma(i_ - k) - sigma(i_ - j));
      sum += weight[g] * product;
    }
    return sum * 0.5 * (b - a);
  }
};

}  // namespace

SolverEntry lms() {
  return {.name = "lms", .class_name = "LMSDiscreteScheduler", .summary = "linear multistep of order 4",
          .source = "Adams-Bashforth over sigma", .order = 4, .stochastic = false, .history = "eps", .min_steps = 1, .make = make<Lms>};
}

}  // namespace safelight
