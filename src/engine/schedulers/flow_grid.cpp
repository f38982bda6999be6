#include "engine/schedulers/flow_grid.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/base/error.h"

namespace safelight {
namespace {

double shifted(double sigma, double shift) { return shift * sigma / (1 + (shift - 1) * sigma); }

// Linear in the number of image tokens (Esser et al.), as FLUX was trained.
double dynamic_mu(const SchedulerConfig& c, int tokens) {
  const double slope = (c.max_shift - c.base_shift) / (c.max_image_seq_len - c.base_image_seq_len);
  return c.base_shift + slope * (tokens - c.base_image_seq_len);
}

}  // namespace

SigmaGrid flow_grid(const SchedulerConfig& c, int steps, const CustomSteps& custom) {
  SigmaGrid grid;
  const double total = c.num_train_timesteps;
  std::vector<double> sigmas = custom.sigmas;
  if (sigmas.empty()) {
    const double shift = c.use_dynamic_shifting ? 1.0 : c.shift;
    const double high = shifted(1.0, shift), low = shifted(1.0 / total, shift);
    for (int i = 0; i < steps; ++i) sigmas.push_back(steps == 1 ? high : high + (low - high) * i / (steps - 1));
  }
  if (c.use_dynamic_shifting && !custom.mu && custom.image_tokens <= 0)
    throw Error(ErrorCode::internal, "a schedule with dynamic shift needs the number of image tokens");
  const double mu = c.use_dynamic_shifting ? std::exp(custom.mu.value_or(dynamic_mu(c, custom.image_tokens))) : 0;
  for (double& s : sigmas) {
    s = static_cast<float>(c.use_dynamic_shifting ? mu / (mu + (1 / s - 1)) : shifted(s, c.shift));
    grid.timesteps.push_back(static_cast<float>(s * total));
  }
  grid.sigmas = std::move(sigmas);
  grid.sigmas.push_back(0);
  return grid;
}

void FlowSolver::set_grid(const SigmaGrid& grid) {
  sigmas_ = grid.sigmas;
  nodes_.clear();
  for (std::size_t i = 0; i < sigmas_.size(); ++i)
    nodes_.push_back({1 - sigmas_[i], sigmas_[i], i < grid.timesteps.size() ? grid.timesteps[i] : 0.0});
  begin();
}

}  // namespace safelight
