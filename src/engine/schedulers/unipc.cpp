// Unified predictor-corrector: every estimate corrects the step that led to it before it predicts the next. Source: Zhao
// et al. 2023 (arXiv:2302.04867), UniP and UniC with B(h) of the first or second kind.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/schedulers/dpm_multistep.h"

namespace safelight {
namespace {

// Solves the small dense system R w = b by elimination with pivots.
std::vector<double> solved(std::vector<std::vector<double>> r, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i)
      if (std::abs(r[i][k]) > std::abs(r[pivot][k])) pivot = i;
    std::swap(r[k], r[pivot]);
    std::swap(b[k], b[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double f = r[i][k] / r[k][k];
      for (std::size_t j = k; j < n; ++j) r[i][j] -= f * r[k][j];
      b[i] -= f * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= r[k][j] * b[j];
    b[k] /= r[k][k];
  }
  return b;
}

class UniPc final : public SolverBase {
 public:
  explicit UniPc(const SolverInputs& in) : SolverBase(in), data_(in.config.predict_x0) {
    const SigmaGrid grid = exponential_grid(in_.config, table_, spaced_by_one_more(in_.config, in_.steps, in_.config.num_train_timesteps));
    for (std::size_t i = 0; i < grid.sigmas.size(); ++i) {
      nodes_.push_back(node_of_sigma(grid.sigmas[i], i < grid.timesteps.size() ? grid.timesteps[i] : 0));
      points_.push_back(lambda_point(grid.sigmas[i]));
    }
    begin();
    scalars_ = {0.0, 0.0};
  }

  // scalars: number of estimates known, order of the last prediction. history: estimates, then the last sample.
  void feed(const Estimate& e) override {
    const at::Tensor now = data_ ? e.x0 : e.eps;
    at::Tensor x = x_;
    if (!history_.empty()) {
      const at::Tensor before = history_.back();
      history_.pop_back();
      const auto& off = in_.config.disable_corrector;
      if (std::find(off.begin(), off.end(), static_cast<int>(i_) - 1) == off.end()) x = corrected(before, now, static_cast<int>(scalars_[1]));
    }
    remember(now, static_cast<std::size_t>(in_.config.solver_order));
    const int known = static_cast<int>(scalars_[0]), left = static_cast<int>(nodes_.size() - 1 - i_);
    int order = in_.config.solver_order;
    if (in_.config.lower_order_final || (left == 1 && nodes_.back().sigma == 0)) order = std::min(order, left);
    order = std::min(order, known + 1);
    scalars_ = {static_cast<double>(std::min(known + 1, in_.config.solver_order)), static_cast<double>(order)};
    x_ = predicted(x, order);
    history_.push_back(x);
    ++i_;
  }

 private:
  struct Coefficients {
    double phi = 0, b_h = 0;
    std::vector<std::vector<double>> r;
    std::vector<double> b;
  };

  Coefficients coefficients(double h, const std::vector<double>& ratios) const {
    Coefficients c;
    const double hh = data_ ? -h : h;
    c.phi = std::expm1(hh);
    c.b_h = in_.config.solver_type == "bh1" ? hh : c.phi;
    double phi_k = c.phi / hh - 1, factorial = 1;
    for (std::size_t i = 1; i <= ratios.size(); ++i) {
      auto& row = c.r.emplace_back();
      for (const double r : ratios) row.push_back(std::pow(r, static_cast<double>(i - 1)));
      c.b.push_back(phi_k * factorial / c.b_h);
      factorial *= static_cast<double>(i + 1);
      phi_k = phi_k / hh - 1 / factorial;
    }
    return c;
  }

  at::Tensor linear_part(const at::Tensor& x, const LambdaPoint& s, const LambdaPoint& t, double phi, const at::Tensor& m) const {
    return data_ ? t.sigma / s.sigma * x - t.alpha * phi * m : t.alpha / s.alpha * x - t.sigma * phi * m;
  }

  // Differences of older estimates from the newest, over their distance; `at`: the point that `newest` belongs to.
  std::vector<at::Tensor> differences(std::size_t at_point, int order, double h, std::vector<double>& ratios) const {
    std::vector<at::Tensor> out;
    for (std::size_t k = 1; k < static_cast<std::size_t>(order); ++k) {
      ratios.push_back((points_[at_point - k].lambda - points_[at_point].lambda) / h);
      out.push_back((recalled(k + 1) - recalled(1)) / ratios.back());
    }
    ratios.push_back(1.0);
    return out;
  }

  at::Tensor predicted(const at::Tensor& x, int order) const {
    const LambdaPoint &s = points_[i_], &t = points_[i_ + 1];
    const double h = t.lambda - s.lambda;
    std::vector<double> ratios;
    const std::vector<at::Tensor> d = differences(i_, order, h, ratios);
    Coefficients c = coefficients(h, ratios);
    at::Tensor out = linear_part(x, s, t, c.phi, recalled(1));
    if (d.empty()) return out;
    std::vector<double> w = {0.5};
    if (order > 2) {
      c.r.pop_back();
      c.b.pop_back();
      for (auto& row : c.r) row.pop_back();
      w = solved(c.r, c.b);
    }
    const double scale = (data_ ? t.alpha : t.sigma) * c.b_h;
    for (std::size_t k = 0; k < d.size(); ++k) out = out - scale * w[k] * d[k];
    return out;
  }

  at::Tensor corrected(const at::Tensor& before, const at::Tensor& now, int order) const {
    const LambdaPoint &s = points_[i_ - 1], &t = points_[i_];
    const double h = t.lambda - s.lambda;
    std::vector<double> ratios;
    const std::vector<at::Tensor> d = differences(i_ - 1, order, h, ratios);
    const Coefficients c = coefficients(h, ratios);
    const std::vector<double> w = order == 1 ? std::vector<double>{0.5} : solved(c.r, c.b);
    const double scale = (data_ ? t.alpha : t.sigma) * c.b_h;
    at::Tensor out = linear_part(before, s, t, c.phi, recalled(1));
    for (std::size_t k = 0; k < d.size(); ++k) out = out - scale * w[k] * d[k];
    return out - scale * w.back() * (now - recalled(1));
  }

  bool data_;
  std::vector<LambdaPoint> points_;
};

}  // namespace

SolverEntry unipc() {
  return {.name = "unipc", .class_name = "UniPCMultistepScheduler", .summary = "predictor-corrector at one evaluation a step",
          .source = "arXiv:2302.04867", .order = 2, .stochastic = false, .history = "x0", .min_steps = 1, .make = make<UniPc>};
}

}  // namespace safelight
