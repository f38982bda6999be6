// Diffusion exponential integrator with polynomials in log rho. Source: Zhang and Chen 2022 (arXiv:2204.13902).
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/dpm_multistep.h"

namespace safelight {
namespace {

// Integrals over rho (the variance-exploding noise level) of Lagrange polynomials in log rho.
double linear_integral(double t, double b, double c) { return t * (std::log(t) - std::log(c) - 1) / (std::log(b) - std::log(c)); }

double quadratic_integral(double t, double b, double c, double d) {
  const double l = std::log(t), lc = std::log(c), ld = std::log(d);
  return t * (l * l - (2 + lc + ld) * l + 2 + lc + ld + lc * ld) / ((std::log(b) - lc) * (std::log(b) - ld));
}

class Deis final : public SolverBase {
 public:
  explicit Deis(const SolverInputs& in) : SolverBase(in) {
    SchedulerConfig c = in_.config;
    c.final_sigmas = "sigma_min";  // it never reaches zero
    const SigmaGrid grid = exponential_grid(c, table_, spaced_by_one_more(c, in_.steps, c.num_train_timesteps));
    rho_ = grid.sigmas;
    for (std::size_t i = 0; i < rho_.size(); ++i) nodes_.push_back(node_of_sigma(rho_[i], i < grid.timesteps.size() ? grid.timesteps[i] : 0));
    begin();
    scalars_ = {0.0};
  }

  void feed(const Estimate& e) override {
    remember(converter_.limits() ? (x_ - nodes_[i_].alpha * e.x0) / nodes_[i_].sigma : e.eps, static_cast<std::size_t>(in_.config.solver_order));
    const std::size_t count = nodes_.size() - 1;
    const bool lower = in_.config.lower_order_final && count < 15;
    const auto known = static_cast<int>(scalars_[0]);
    const int asked = in_.config.solver_order;
    const int order = asked == 1 || known < 1 || (lower && i_ + 1 == count) ? 1 : asked == 2 || known < 2 || (lower && i_ + 2 == count) ? 2 : 3;
    const double from = rho_[i_], to = rho_[i_ + 1];
    at::Tensor x = x_ / nodes_[i_].alpha;  // in the variance-exploding scale
    if (order == 1) {
      x = x + (to - from) * recalled(1);
    } else if (order == 2) {
      const double before = rho_[i_ - 1];
      x = x + (linear_integral(to, from, before) - linear_integral(from, from, before)) * recalled(1) +
          (linear_integral(to, before, from) - linear_integral(from, before, from)) * recalled(2);
    } else {
      const double b1 = rho_[i_ - 1], b2 = rho_[i_ - 2];
      const auto weight = [&](double b, double c, double d) { return quadratic_integral(to, b, c, d) - quadratic_integral(from, b, c, d); };
      x = x + weight(from, b1, b2) * recalled(1) + weight(b1, b2, from) * recalled(2) + weight(b2, from, b1) * recalled(3);
    }
    x_ = nodes_[i_ + 1].alpha * x;
    scalars_[0] = std::min(known + 1, asked);
    ++i_;
  }

 private:
  std::vector<double> rho_;
};

}  // namespace

SolverEntry deis() {
  return {.name = "deis", .class_name = "DEISMultistepScheduler", .summary = "exponential integrator, multistep, second order",
          .source = "arXiv:2204.13902", .order = 2, .stochastic = false, .history = "eps", .min_steps = 1, .make = make<Deis>};
}

}  // namespace safelight
