// First-order step with optional churn in the EDM frame. Source: Karras et al. 2022 (arXiv:2206.00364), Algorithm 2 with one
// evaluation a step.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/schedulers/edm_grid.h"

namespace safelight {
namespace {

class EdmEuler final : public SigmaSolver {
 public:
  explicit EdmEuler(const SolverInputs& in) : SigmaSolver(in) {
    set_grid(edm_grid(in_.config, in_.steps));
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const double timestep = nodes_[i].timestep;
      nodes_[i] = edm_node(in_.config, sigmas_[i]);
      nodes_[i].timestep = timestep;
    }
  }

  void feed(const Estimate& e) override {
    const double from = sigma(i_), to = sigma(i_ + 1);
    const bool churns = from >= in_.s_tmin && from <= in_.s_tmax;
    const double gamma = churns ? std::min(in_.s_churn / static_cast<double>(sigmas_.size() - 1), std::sqrt(2.0) - 1) : 0.0;
    const at::Tensor noise = fresh_noise();  // drawn whether it is used or not: part of what a seed means
    if (gamma > 0) {
      // The estimate is read again at the raised level: preconditioning depends on it.
      const double raised = from * (1 + gamma);
      const at::Tensor x = x_ + noise * (in_.s_noise * std::sqrt(raised * raised - from * from));
      const at::Tensor clean = in_.config.sigma_data * converter_.x0(e.raw, x / scale_of(raised), edm_node(in_.config, raised));
      x_ = x + (to - raised) / raised * (x - clean);
    } else {
      x_ = x_ + (to - from) / from * (x_ - in_.config.sigma_data * e.x0);
    }
    ++i_;
  }

 protected:
  double model_scale(std::size_t i) const override { return scale_of(sigmas_[i]); }

 private:
  double scale_of(double sigma) const { return std::sqrt(sigma * sigma + in_.config.sigma_data * in_.config.sigma_data); }
};

}  // namespace

SolverEntry edm_euler() {
  return {.name = "edm-euler", .class_name = "EDMEulerScheduler", .summary = "first order, for models of the EDM frame",
          .source = "arXiv:2206.00364", .order = 1, .stochastic = false, .history = "none", .min_steps = 1, .make = make<EdmEuler>};
}

}  // namespace safelight
