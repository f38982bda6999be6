// Pseudo numerical methods on manifolds. Source: Liu et al. 2022 (arXiv:2202.09778); the linear multistep form with an
// optional Runge-Kutta warm-up. The history keeps raw outputs: they are averaged before they are converted.
#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"
#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

class Pndm final : public TimestepSolver {
 public:
  explicit Pndm(const SolverInputs& in) : TimestepSolver(in) {
    if (in_.config.spacing == "beta" || in_.config.spacing == "sgm-uniform")
      throw Error(ErrorCode::conflict, "pndm needs evenly spaced timesteps: leading, trailing or linspace instead of " + in_.config.spacing);
    std::vector<double> up = spaced_timesteps(in_.config, in_.steps);  // descending
    for (double& t : up) t = std::nearbyint(t);
    std::vector<double> all;
    if (!in_.config.skip_prk_steps) {
      all = warm_up(up);
      warm_ = all;
      all.insert(all.end(), up.begin() + 3, up.end());
    } else {
      all = up;
      if (up.size() > 1) all.insert(all.begin() + 1, up[1]);  // the second point is visited twice
    }
    set_timesteps(all);
    scalars_ = {0.0};
  }

  void feed(const Estimate& e) override {
    if (static_cast<std::size_t>(scalars_[0]) < warm_.size()) runge_kutta(e.raw);
    else multistep(e.raw);
    scalars_[0] += 1;
    ++i_;
  }

 private:
  int stride() const { return in_.config.num_train_timesteps / in_.steps; }

  // Twelve evaluations over the three highest steps, each step visited at its start, twice at its middle and at its end.
  std::vector<double> warm_up(const std::vector<double>& down) const {
    std::vector<double> pairs;  // descending: t0, t0 - half, t1, t1 - half, ... in the reference's order
    const std::vector<double> top(down.begin(), down.begin() + 4);
    std::vector<double> ascending;
    for (auto it = top.rbegin(); it != top.rend(); ++it) {
      ascending.push_back(*it);
      ascending.push_back(*it + stride() / 2);
    }
    ascending.pop_back();
    std::vector<double> doubled;
    for (const double t : ascending) doubled.insert(doubled.end(), 2, t);
    return {doubled.rbegin() + 1, doubled.rend() - 1};
  }

  // The formula of the paper (eq. 11): from timestep `from` to `to` with an averaged output.
  at::Tensor transferred(const at::Tensor& x, const at::Tensor& raw, int from, int to) const {
    const double a = alpha_bar(from), b = alpha_bar(to);
    const at::Tensor eps = converter_.eps(raw, x, table_.node_at(from));
    const double denominator = a * std::sqrt(1 - b) + std::sqrt(a * (1 - a) * b);
    return std::sqrt(b / a) * x - (b - a) / denominator * eps;
  }

  // history during the warm-up: finished outputs..., then the running average and the step's start.
  void runge_kutta(const at::Tensor& raw) {
    const int counter = static_cast<int>(scalars_[0]), part = counter % 4;
    const int from = static_cast<int>(warm_[static_cast<std::size_t>(counter / 4 * 4)]);
    const int to = timesteps_[i_] - (counter % 2 ? 0 : stride() / 2);
    at::Tensor output = raw;
    if (part == 0) {
      outputs_push(raw);
      history_.push_back(raw / 6);
      history_.push_back(x_);
    } else {
      at::Tensor& average = history_[history_.size() - 2];
      average = average + (part == 3 ? raw / 6 : raw / 3);
      output = part == 3 ? average : raw;
    }
    x_ = transferred(history_.back(), output, from, to);
    if (part == 3) history_.resize(history_.size() - 2);
  }

  void outputs_push(const at::Tensor& raw) { history_.push_back(raw); }

  void multistep(const at::Tensor& raw) {
    int from = timesteps_[i_], to = from - stride();
    const bool second = scalars_[0] == 1;  // the second visit corrects the first step instead of making a new one
    if (second) {
      to = from;
      from += stride();
    } else {
      while (history_.size() > 3) history_.erase(history_.begin());
      history_.push_back(raw);
    }
    const auto e = [&](std::size_t back) { return recalled(back); };
    at::Tensor x = x_, output;
    if (second) {
      x = history_.front();
      history_.erase(history_.begin());
      output = (raw + e(1)) / 2;
    } else if (history_.size() == 1) {
      output = raw;
      if (timesteps_.size() > 1) history_.insert(history_.begin(), x_);  // the start, for the correction that follows
    } else if (history_.size() == 2) {
      output = (3 * e(1) - e(2)) / 2;
    } else if (history_.size() == 3) {
      output = (23 * e(1) - 16 * e(2) + 5 * e(3)) / 12;
    } else {
      output = (55 * e(1) - 59 * e(2) + 37 * e(3) - 9 * e(4)) / 24;
    }
    x_ = transferred(x, output, from, to);
  }

  std::vector<double> warm_;
};

}  // namespace

SolverEntry pndm() {
  return {.name = "pndm", .class_name = "PNDMScheduler", .summary = "pseudo linear multistep of order 4",
          .source = "arXiv:2202.09778", .order = 2, .stochastic = false, .history = "raw", .min_steps = 1, .make = make<Pndm>};
}

}  // namespace safelight
