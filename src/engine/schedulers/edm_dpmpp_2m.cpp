// DPM-Solver++, multistep, in the EDM frame. Sources: Lu et al. 2022 (arXiv:2211.01095); Karras et al. 2022
// (arXiv:2206.00364).
#include <ATen/ATen.h>

#include <cmath>

#include "engine/schedulers/dpm_multistep.h"
#include "engine/schedulers/edm_grid.h"

namespace safelight {
namespace {

class EdmDpmPlusPlus final : public DpmMultistep {
 public:
  explicit EdmDpmPlusPlus(const SolverInputs& in) : DpmMultistep(in) {
    const SigmaGrid grid = edm_grid(in_.config, in_.steps);
    sigmas_ = grid.sigmas;
    for (std::size_t i = 0; i < sigmas_.size(); ++i) {
      nodes_.push_back(edm_node(in_.config, sigmas_[i]));
      nodes_.back().timestep = i < grid.timesteps.size() ? grid.timesteps[i] : 0;
      points_.push_back({1.0, sigmas_[i], -std::log(sigmas_[i])});
    }
    begin(grid.initial_scale);
    scalars_ = {0.0};
  }
  at::Tensor noised(const at::Tensor& clean, const at::Tensor& noise) const override { return clean + sigmas_[i_] * noise; }

 protected:
  at::Tensor integrand(const Estimate& e) const override {
    const at::Tensor clean = in_.config.sigma_data * e.x0;
    return data_ ? clean : (x_ - clean) / sigmas_[i_];
  }
  double model_scale(std::size_t i) const override {
    return std::sqrt(sigmas_[i] * sigmas_[i] + in_.config.sigma_data * in_.config.sigma_data);
  }

 private:
  std::vector<double> sigmas_;
};

}  // namespace

SolverEntry edm_dpmpp_2m() {
  return {.name = "edm-dpmpp-2m", .class_name = "EDMDPMSolverMultistepScheduler", .summary = "DPM-Solver++ for models of the EDM frame",
          .source = "arXiv:2211.01095", .order = 2, .stochastic = false, .history = "x0", .min_steps = 1, .make = make<EdmDpmPlusPlus>};
}

}  // namespace safelight
