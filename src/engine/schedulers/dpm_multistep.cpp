#include "engine/schedulers/dpm_multistep.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"

namespace safelight {

LambdaPoint lambda_point(double ve_sigma) {
  const Node n = node_of_sigma(ve_sigma, 0);
  return {n.alpha, n.sigma, -std::log(ve_sigma)};
}

std::vector<double> spaced_by_one_more(const SchedulerConfig& c, int n, int total) {
  std::vector<double> out = common_timesteps(c.spacing, total, n);
  if (!out.empty()) return out;
  if (c.spacing == "linspace") {
    for (int i = n; i >= 1; --i) out.push_back(std::nearbyint((total - 1.0) * i / n));
  } else if (c.spacing == "leading") {
    const int ratio = total / (n + 1);
    for (int i = n; i >= 1; --i) out.push_back(i * ratio + c.steps_offset);
  } else {
    const double ratio = static_cast<double>(c.num_train_timesteps) / n;
    for (int i = 0; i < n; ++i) out.push_back(std::nearbyint(total - i * ratio) - 1);
  }
  return out;
}

SigmaGrid exponential_grid(const SchedulerConfig& c, const NoiseTable& table, std::vector<double> timesteps) {
  const int n = static_cast<int>(timesteps.size());
  SigmaGrid grid;
  grid.sigmas = named_sigmas(c.sigmas, table.sigmas().front(), table.sigmas().back(), n);
  if (grid.sigmas.empty())
    for (const double t : timesteps) grid.sigmas.push_back(table.sigma_at(t));
  if (!c.sigmas.empty())
    for (std::size_t i = 0; i < timesteps.size(); ++i) timesteps[i] = std::nearbyint(table.timestep_of(grid.sigmas[i]));
  grid.sigmas.push_back(c.final_sigmas == "zero" ? 0.0 : table.sigmas().front());
  for (double& s : grid.sigmas) s = static_cast<float>(s);
  grid.timesteps = std::move(timesteps);
  return grid;
}

DpmMultistep::DpmMultistep(const SolverInputs& in)
    : SolverBase(in), data_(in.config.algorithm.ends_with("++")), stochastic_(in.config.algorithm.starts_with("sde")) {
  if (!data_ && in_.config.final_sigmas == "zero")
    throw Error(ErrorCode::conflict, "algorithm_type " + in_.config.algorithm + " cannot end at sigma zero; set final_sigmas_type "
                                     "to sigma_min or use dpmsolver++");
  if (stochastic_ && in_.config.solver_order > 2)
    throw Error(ErrorCode::unsupported, "solver_order 3 has no stochastic form; use 2");
}

void DpmMultistep::start() {
  begin();
  scalars_ = {0.0};
}

at::Tensor DpmMultistep::integrand(const Estimate& e) const {
  if (data_) return e.x0;
  return converter_.limits() ? (x_ - nodes_[i_].alpha * e.x0) / nodes_[i_].sigma : e.eps;
}

void DpmMultistep::feed(const Estimate& e) {
  remember(integrand(e), static_cast<std::size_t>(in_.config.solver_order));
  const at::Tensor noise = stochastic_ ? fresh_noise() : at::Tensor();
  const std::size_t count = nodes_.size() - 1;
  const SchedulerConfig& c = in_.config;
  const bool few = count < 15;
  const bool end = i_ + 1 == count && (c.euler_at_final || (c.lower_order_final && few) || c.final_sigmas == "zero");
  const bool near_end = i_ + 2 == count && c.lower_order_final && few;
  const auto known = static_cast<int>(scalars_[0]);
  const int order = c.solver_order == 1 || known < 1 || end ? 1 : c.solver_order == 2 || known < 2 || near_end ? 2 : 3;
  x_ = order == 1 ? first(noise) : order == 2 ? second(noise) : third();
  scalars_[0] = std::min(known + 1, c.solver_order);
  ++i_;
}

at::Tensor DpmMultistep::first(const at::Tensor& noise) const {
  const LambdaPoint &s = points_[i_], &t = points_[i_ + 1];
  const double h = t.lambda - s.lambda;
  const at::Tensor& m = recalled(1);
  if (data_ && !stochastic_) return t.sigma / s.sigma * x_ - t.alpha * (std::exp(-h) - 1) * m;
  if (!data_ && !stochastic_) return t.alpha / s.alpha * x_ - t.sigma * (std::exp(h) - 1) * m;
  return stochastic_start(s, t, h, m) + stochastic_noise(t, h) * noise;
}

double DpmMultistep::stochastic_noise(const LambdaPoint& t, double h) const {
  return t.sigma * std::sqrt(data_ ? 1 - std::exp(-2 * h) : std::exp(2 * h) - 1);
}

at::Tensor DpmMultistep::stochastic_start(const LambdaPoint& s, const LambdaPoint& t, double h, const at::Tensor& m) const {
  if (data_) return t.sigma / s.sigma * std::exp(-h) * x_ + t.alpha * (1 - std::exp(-2 * h)) * m;
  return t.alpha / s.alpha * x_ - 2 * t.sigma * (std::exp(h) - 1) * m;
}

at::Tensor DpmMultistep::second(const at::Tensor& noise) const {
  const LambdaPoint &s1 = points_[i_ - 1], &s0 = points_[i_], &t = points_[i_ + 1];
  const double h = t.lambda - s0.lambda, r = (s0.lambda - s1.lambda) / h;
  const at::Tensor& d0 = recalled(1);
  const at::Tensor d1 = (recalled(1) - recalled(2)) / r;
  const bool midpoint = in_.config.solver_type == "midpoint";
  const double up = std::exp(h) - 1, down = std::exp(-h) - 1, twice = std::exp(-2 * h);
  if (data_ && !stochastic_) {
    const double c = midpoint ? -0.5 * down : down / h + 1;
    return t.sigma / s0.sigma * x_ - t.alpha * down * d0 + t.alpha * c * d1;
  }
  if (!data_ && !stochastic_) {
    const double c = midpoint ? 0.5 * up : up / h - 1;
    return t.alpha / s0.alpha * x_ - t.sigma * up * d0 - t.sigma * c * d1;
  }
  const double c = data_ ? t.alpha * (midpoint ? 0.5 * (1 - twice) : (1 - twice) / (-2 * h) + 1)
                         : -t.sigma * (midpoint ? up : 2 * (up / h - 1));
  return stochastic_start(s0, t, h, d0) + c * d1 + stochastic_noise(t, h) * noise;
}

at::Tensor DpmMultistep::third() const {
  const LambdaPoint &s2 = points_[i_ - 2], &s1 = points_[i_ - 1], &s0 = points_[i_], &t = points_[i_ + 1];
  const double h = t.lambda - s0.lambda, r0 = (s0.lambda - s1.lambda) / h, r1 = (s1.lambda - s2.lambda) / h;
  const at::Tensor& d0 = recalled(1);
  const at::Tensor a = (recalled(1) - recalled(2)) / r0, b = (recalled(2) - recalled(3)) / r1;
  const at::Tensor d1 = a + r0 / (r0 + r1) * (a - b), d2 = (a - b) / (r0 + r1);
  if (data_) {
    const double down = std::exp(-h) - 1;
    return t.sigma / s0.sigma * x_ - t.alpha * down * d0 + t.alpha * (down / h + 1) * d1 -
           t.alpha * ((down + h) / (h * h) - 0.5) * d2;
  }
  const double up = std::exp(h) - 1;
  return t.alpha / s0.alpha * x_ - t.sigma * up * d0 - t.sigma * (up / h - 1) * d1 - t.sigma * ((up - h) / (h * h) - 0.5) * d2;
}

}  // namespace safelight
