#include "engine/schedulers/two_stage.h"

#include <ATen/ATen.h>

#include <cmath>

namespace safelight {

at::Tensor TwoStageSolver::slope(const Estimate& e) const { return converter_.limits() ? (x_ - e.x0) / sigma(i_) : e.eps; }

SigmaGrid TwoStageSolver::single_steps() const {
  SigmaGrid grid = sigma_grid(in_.config, table_, in_.steps, in_.custom);
  if (in_.config.sigmas == "karras")
    for (double& t : grid.timesteps) t = std::nearbyint(t);
  return grid;
}

void TwoStageSolver::interleave(const SigmaGrid& single, const std::vector<double>& middle) {
  SigmaGrid twice;
  twice.initial_scale = single.initial_scale;
  for (std::size_t k = 0; k < single.timesteps.size(); ++k) {
    twice.timesteps.push_back(single.timesteps[k]);
    twice.sigmas.push_back(single.sigmas[k]);
    if (k + 1 == single.timesteps.size()) break;
    twice.timesteps.push_back(table_.timestep_of(middle[k]));
    twice.sigmas.push_back(static_cast<float>(middle[k]));
  }
  twice.sigmas.push_back(single.sigmas.back());
  set_grid(std::move(twice));
}

}  // namespace safelight
