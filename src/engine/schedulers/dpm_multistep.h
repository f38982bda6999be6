// The steps of DPM-Solver and DPM-Solver++ in its multistep form, orders 1 to 3, with their stochastic forms, over points
// that derived classes choose. Source: Lu et al. 2022 (arXiv:2206.00927, arXiv:2211.01095).
#pragma once

#include "engine/schedulers/solver.h"

namespace safelight {

// A noise level as the exponential integrators see it: half the log of the signal-to-noise ratio.
struct LambdaPoint {
  double alpha, sigma, lambda;
};
LambdaPoint lambda_point(double ve_sigma);  // of a variance-preserving schedule; sigma may be 0

class DpmMultistep : public SolverBase {
 public:
  explicit DpmMultistep(const SolverInputs& in);
  void feed(const Estimate& e) override;

 protected:
  // What the formulas integrate, from an estimate; x0 or noise by `data_`.
  virtual at::Tensor integrand(const Estimate& e) const;
  void start();  // after nodes_ and points_ are set

  bool data_, stochastic_;
  std::vector<LambdaPoint> points_;

 private:
  at::Tensor first(const at::Tensor& noise) const;
  at::Tensor second(const at::Tensor& noise) const;
  at::Tensor third() const;
  double stochastic_noise(const LambdaPoint& t, double h) const;
  at::Tensor stochastic_start(const LambdaPoint& s, const LambdaPoint& t, double h, const at::Tensor& m) const;
};

// The n timesteps of solvers that divide the range by n + 1 where others divide by n.
std::vector<double> spaced_by_one_more(const SchedulerConfig& config, int n, int total);
// Noise levels (n + 1) and timesteps of those solvers in the variance-preserving schedule.
SigmaGrid exponential_grid(const SchedulerConfig& config, const NoiseTable& table, std::vector<double> timesteps);

}  // namespace safelight
