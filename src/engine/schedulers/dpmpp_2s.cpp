// DPM-Solver and DPM-Solver++, singlestep: every group of steps starts anew. Source: Lu et al. 2022 (arXiv:2206.00927,
// Algorithms 1 and 2; arXiv:2211.01095).
#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/schedulers/dpm_multistep.h"

namespace safelight {
namespace {

class DpmSinglestep final : public SolverBase {
 public:
  explicit DpmSinglestep(const SolverInputs& in)
      : SolverBase(in), data_(in.config.algorithm.ends_with("++")), stochastic_(in.config.algorithm.starts_with("sde")) {
    SchedulerConfig c = in_.config;
    if (!data_ && c.final_sigmas == "zero")
      throw Error(ErrorCode::conflict, "algorithm_type " + c.algorithm + " cannot end at sigma zero; set final_sigmas_type "
                                       "to sigma_min or use dpmsolver++");
    if (stochastic_ && c.solver_order > 2) throw Error(ErrorCode::unsupported, "solver_order 3 has no stochastic form; use 2");
    c.spacing = "linspace";  // the only one that it knows
    const SigmaGrid grid = exponential_grid(c, table_, spaced_by_one_more(c, in_.steps, c.num_train_timesteps));
    for (std::size_t i = 0; i < grid.sigmas.size(); ++i) {
      nodes_.push_back(node_of_sigma(grid.sigmas[i], i < grid.timesteps.size() ? grid.timesteps[i] : 0));
      points_.push_back(lambda_point(grid.sigmas[i]));
    }
    choose_orders();
    begin();
  }

  // history: the outputs of the current group and, last, the sample that the group started from.
  void feed(const Estimate& e) override {
    at::Tensor origin;
    if (!history_.empty()) {
      origin = history_.back();
      history_.pop_back();
    }
    std::size_t order = static_cast<std::size_t>(orders_[i_]);
    order = std::min(order, history_.size() + 1);  // a run that starts inside a group has less behind it
    if (order == 1) {
      history_.clear();
      origin = x_;
    }
    history_.push_back(data_ ? e.x0 : converter_.limits() ? (x_ - nodes_[i_].alpha * e.x0) / nodes_[i_].sigma : e.eps);
    const at::Tensor noise = stochastic_ ? fresh_noise() : at::Tensor();
    x_ = order == 1 ? first(origin, noise) : order == 2 ? second(origin, noise) : third(origin);
    history_.push_back(origin);
    ++i_;
  }

 private:
  void choose_orders() {
    const int n = in_.steps, order = in_.config.solver_order;
    const bool zero = in_.config.final_sigmas == "zero";
    const bool lower = in_.config.lower_order_final || n % order != 0 || zero;
    for (int i = 0; i < n; ++i) orders_.push_back(i % order + 1);
    if (lower && order > 1 && n % order == 0) {
      orders_.back() = 1;
      if (order == 3 && n >= 3) orders_[orders_.size() - 2] = 2, orders_[orders_.size() - 3] = 1;
    }
    if (zero) orders_.back() = 1;  // where the reference divides by zero
  }

  const at::Tensor& output(std::size_t back) const { return history_[history_.size() - back]; }

  at::Tensor first(const at::Tensor& x, const at::Tensor& noise) const {
    const LambdaPoint &s = points_[i_], &t = points_[i_ + 1];
    const double h = t.lambda - s.lambda;
    const at::Tensor& m = output(1);
    if (!data_) return t.alpha / s.alpha * x - t.sigma * (std::exp(h) - 1) * m;
    if (!stochastic_) return t.sigma / s.sigma * x - t.alpha * (std::exp(-h) - 1) * m;
    const double gone = 1 - std::exp(-2 * h);
    return t.sigma / s.sigma * std::exp(-h) * x + t.alpha * gone * m + t.sigma * std::sqrt(gone) * noise;
  }

  at::Tensor second(const at::Tensor& x, const at::Tensor& noise) const {
    const LambdaPoint &s1 = points_[i_ - 1], &s0 = points_[i_], &t = points_[i_ + 1];
    const double h = t.lambda - s1.lambda, r = (s0.lambda - s1.lambda) / h;
    const at::Tensor& d0 = output(2);
    const at::Tensor d1 = (output(1) - output(2)) / r;
    const bool midpoint = in_.config.solver_type == "midpoint";
    const double up = std::exp(h) - 1, down = std::exp(-h) - 1, gone = 1 - std::exp(-2 * h);
    if (!data_) return t.alpha / s1.alpha * x - t.sigma * up * d0 - t.sigma * (midpoint ? 0.5 * up : up / h - 1) * d1;
    if (!stochastic_) return t.sigma / s1.sigma * x - t.alpha * down * d0 + t.alpha * (midpoint ? -0.5 * down : down / h + 1) * d1;
    return t.sigma / s1.sigma * std::exp(-h) * x + t.alpha * gone * d0 + t.alpha * (midpoint ? 0.5 * gone : gone / (-2 * h) + 1) * d1 +
           t.sigma * std::sqrt(gone) * noise;
  }

  at::Tensor third(const at::Tensor& x) const {
    const LambdaPoint &s2 = points_[i_ - 2], &s1 = points_[i_ - 1], &s0 = points_[i_], &t = points_[i_ + 1];
    const double h = t.lambda - s2.lambda, r0 = (s0.lambda - s2.lambda) / h, r1 = (s1.lambda - s2.lambda) / h;
    const at::Tensor& d0 = output(3);
    const at::Tensor early = (output(2) - d0) / r1, late = (output(1) - d0) / r0;
    const at::Tensor d1 = (r0 * early - r1 * late) / (r0 - r1), d2 = 2 * (late - early) / (r0 - r1);
    const bool midpoint = in_.config.solver_type == "midpoint";
    if (data_) {
      const double down = std::exp(-h) - 1;
      const at::Tensor base = t.sigma / s2.sigma * x - t.alpha * down * d0;
      if (midpoint) return base + t.alpha * (down / h + 1) * late;
      return base + t.alpha * (down / h + 1) * d1 - t.alpha * ((down + h) / (h * h) - 0.5) * d2;
    }
    const double up = std::exp(h) - 1;
    const at::Tensor base = t.alpha / s2.alpha * x - t.sigma * up * d0;
    if (midpoint) return base - t.sigma * (up / h - 1) * late;
    return base - t.sigma * (up / h - 1) * d1 - t.sigma * ((up - h) / (h * h) - 0.5) * d2;
  }

  bool data_, stochastic_;
  std::vector<LambdaPoint> points_;
  std::vector<int> orders_;
};

}  // namespace

SolverEntry dpmpp_2s() {
  return {.name = "dpmpp-2s", .class_name = "DPMSolverSinglestepScheduler", .summary = "DPM-Solver++, singlestep, second order",
          .source = "arXiv:2211.01095", .order = 2, .stochastic = false, .history = "x0", .min_steps = 1, .make = make<DpmSinglestep>};
}

}  // namespace safelight
