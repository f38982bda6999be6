// Noise levels and preconditioning of models trained in the EDM frame: x = x0 + sigma noise with data of standard deviation
// sigma_data. Source: Karras et al. 2022 (arXiv:2206.00364), eq. 5 and Table 1.
#pragma once

#include "engine/schedulers/solver.h"

namespace safelight {

// n + 1 noise levels from high to low and 0 (or the lowest again); timesteps are log(sigma) / 4.
SigmaGrid edm_grid(const SchedulerConfig& config, int steps);

// The place of a noise level in units of the data: what the model sees is variance preserving there.
Node edm_node(const SchedulerConfig& config, double sigma);

}  // namespace safelight
