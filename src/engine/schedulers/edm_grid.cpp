#include "engine/schedulers/edm_grid.h"

#include <cmath>

namespace safelight {

SigmaGrid edm_grid(const SchedulerConfig& c, int steps) {
  const double low = c.sigma_min.value_or(0.002), high = c.sigma_max.value_or(80.0);
  SigmaGrid grid;
  for (int i = 0; i < steps; ++i) {
    const double part = steps == 1 ? 0.0 : static_cast<double>(i) / (steps - 1);
    const double a = std::pow(low, 1 / c.rho), b = std::pow(high, 1 / c.rho);
    // A single exponential level is the lowest: the reference reverses an ascending list of one.
    const double exponential = std::exp(std::log(low) + (std::log(high) - std::log(low)) * (steps == 1 ? 0.0 : 1 - part));
    grid.sigmas.push_back(static_cast<float>(c.sigma_schedule == "karras" ? std::pow(b + part * (a - b), c.rho) : exponential));
    grid.timesteps.push_back(static_cast<float>(0.25 * std::log(grid.sigmas.back())));
  }
  grid.sigmas.push_back(c.final_sigmas == "zero" ? 0.0 : grid.sigmas.back());
  grid.initial_scale = std::sqrt(high * high + 1);
  return grid;
}

Node edm_node(const SchedulerConfig& c, double sigma) { return node_of_sigma(sigma / c.sigma_data, sigma > 0 ? 0.25 * std::log(sigma) : 0); }

}  // namespace safelight
