// Noise levels over training time, and the points of it that a run visits.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/schedulers/scheduler_config.h"

namespace safelight {

// A point of the diffusion: x = alpha * x0 + sigma * noise, alpha^2 + sigma^2 = 1. `timestep` is what the denoiser is
// told; it is carried, not derived, because several solvers tell it something else than the noise level implies.
struct Node {
  double alpha = 1.0;
  double sigma = 0.0;
  double timestep = 0.0;
};

// Noise levels at every training step. float32 arithmetic as in the reference, so that results agree to rounding.
class NoiseTable {
 public:
  explicit NoiseTable(const SchedulerConfig& config);
  int size() const { return static_cast<int>(alphas_cumprod_.size()); }
  double alpha_bar(int t) const { return alphas_cumprod_[static_cast<std::size_t>(t)]; }
  // sqrt((1 - alpha_bar) / alpha_bar): noise level in the variance-exploding scale, ascending in t.
  const std::vector<double>& sigmas() const { return sigmas_; }
  double sigma_at(double t) const;       // linear interpolation
  double timestep_of(double sigma) const;  // inverse, interpolated in log sigma
  Node node_at(int t) const;
  const std::vector<double>& alphas_cumprod() const { return alphas_cumprod_; }

 private:
  std::vector<double> alphas_cumprod_, sigmas_;
};

Node node_of_sigma(double sigma, double timestep);  // sigma in the variance-exploding scale, may be 0

// Descending timesteps of `n` steps by the config's spacing, as the classes with integer steps choose them.
std::vector<double> spaced_timesteps(const SchedulerConfig& config, int n);
// sgm-uniform (n + 1 even points, the last left out) and beta (Lee et al. 2024, arXiv:2407.12173: quantiles of Beta(0.6, 0.6)),
// which are the same for every class; empty for other names.
std::vector<double> common_timesteps(const std::string& spacing, int total, int n);

// Karras et al. (arXiv:2206.00364, eq. 5), rho 7, from high to low.
std::vector<double> karras_sigmas(double low, double high, int n);
// Even in log sigma, from high to low.
std::vector<double> exponential_sigmas(double low, double high, int n);
// Quantiles of Beta(0.6, 0.6) between the two, from high to low.
std::vector<double> beta_sigmas(double low, double high, int n);
// The noise levels that `kind` (karras, exponential, lu, beta) puts between two; empty for the empty name.
std::vector<double> named_sigmas(const std::string& kind, double low, double high, int n);

// For solvers in the variance-exploding scale: timesteps and n + 1 noise levels.
struct SigmaGrid {
  std::vector<double> timesteps, sigmas;
  double initial_scale = 1.0;   // the unit noise is multiplied by this
};
struct CustomSteps {             // replaces the spacing when not empty
  std::vector<double> timesteps, sigmas;
  int original_steps = 0;
  std::optional<double> mu;        // of the dynamic shift of flow matching
  int image_tokens = 0;            // from which mu follows
};
SigmaGrid sigma_grid(const SchedulerConfig& config, const NoiseTable& table, int n, const CustomSteps& custom);

}  // namespace safelight
