#include "engine/schedulers/schedule.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/base/error.h"

namespace safelight {
namespace {

at::Tensor betas_of(const SchedulerConfig& c) {
  const int64_t n = c.num_train_timesteps;
  if (!c.trained_betas.empty()) return at::tensor(c.trained_betas, at::kFloat);
  if (c.beta_schedule == "linear") return at::linspace(c.beta_start, c.beta_end, n, at::kFloat);
  if (c.beta_schedule == "scaled_linear")
    return at::linspace(std::sqrt(c.beta_start), std::sqrt(c.beta_end), n, at::kFloat).square();
  std::vector<double> betas;  // Nichol and Dhariwal, arXiv:2102.09672
  const auto bar = [](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2); };
  for (int64_t i = 0; i < n; ++i) {
    const double a = static_cast<double>(i) / static_cast<double>(n), b = static_cast<double>(i + 1) / static_cast<double>(n);
    betas.push_back(std::min(1 - bar(b) / bar(a), 0.999));
  }
  return at::tensor(betas, at::kFloat);
}

// Shifts the schedule so that its end is pure noise (Lin et al., arXiv:2305.08891, Algorithm 1).
at::Tensor rescaled_to_zero_snr(const at::Tensor& betas) {
  at::Tensor root = (1 - betas).cumprod(0).sqrt();
  const at::Tensor first = root[0].clone(), last = root[-1].clone();
  root = (root - last) * (first / (first - last));
  const at::Tensor bar = root.square();
  const at::Tensor alphas = at::cat({bar.slice(0, 0, 1), bar.slice(0, 1) / bar.slice(0, 0, -1)});
  return 1 - alphas;
}

bool keeps_finite_sigma(const SchedulerConfig& c) {
  for (const char* exact : {"DDIMScheduler", "DDPMScheduler", "LCMScheduler", "PNDMScheduler", "TCDScheduler"})
    if (c.class_name == exact) return false;
  return true;
}

float rounded(double x) { return static_cast<float>(x); }

// Regularised incomplete beta function by its continued fraction (Lentz's method), for x in (0, 1).
double incomplete_beta(double a, double b, double x) {
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
  const double front = std::exp(a * std::log(x) + b * std::log1p(-x) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b)) / a;
  double c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), f = d;
  for (int m = 1; m < 200; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + even * d), c = 1 + even / c, f *= c * d;
    d = 1 / (1 + odd * d), c = 1 + odd / c;
    f *= c * d;
    if (std::abs(c * d - 1) < 1e-14) break;
  }
  return front * f;
}

double beta_quantile(double p, double a, double b) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double x = (low + high) / 2;
    (incomplete_beta(a, b, x) < p ? low : high) = x;
  }
  return (low + high) / 2;
}

}  // namespace

NoiseTable::NoiseTable(const SchedulerConfig& config) {
  at::Tensor betas = betas_of(config);
  if (config.rescale_betas_zero_snr) betas = rescaled_to_zero_snr(betas);
  at::Tensor bar = (1 - betas).cumprod(0);
  // Solvers that divide by alpha get the smallest half-precision step instead of zero, as the reference does.
  if (config.rescale_betas_zero_snr && keeps_finite_sigma(config)) bar[-1] = std::pow(2.0, -24);
  const at::Tensor sigmas = ((1 - bar) / bar).sqrt();
  for (int64_t i = 0; i < bar.size(0); ++i) {
    alphas_cumprod_.push_back(bar[i].item<double>());
    sigmas_.push_back(sigmas[i].item<double>());
  }
}

double NoiseTable::sigma_at(double t) const {
  const double clamped = std::clamp(t, 0.0, static_cast<double>(size() - 1));
  const auto low = static_cast<std::size_t>(std::floor(clamped));
  const auto high = std::min(low + 1, sigmas_.size() - 1);
  const double part = clamped - static_cast<double>(low);
  return sigmas_[low] + (sigmas_[high] - sigmas_[low]) * part;
}

double NoiseTable::timestep_of(double sigma) const {
  const double target = std::log(std::max(sigma, 1e-10));
  auto above = std::upper_bound(sigmas_.begin(), sigmas_.end(), std::max(sigma, 1e-10));
  auto low = static_cast<std::ptrdiff_t>(above - sigmas_.begin()) - 1;
  low = std::clamp<std::ptrdiff_t>(low, 0, size() - 2);
  const double a = std::log(sigmas_[static_cast<std::size_t>(low)]), b = std::log(sigmas_[static_cast<std::size_t>(low) + 1]);
  const double w = std::clamp((a - target) / (a - b), 0.0, 1.0);
  return (1 - w) * static_cast<double>(low) + w * static_cast<double>(low + 1);
}

Node NoiseTable::node_at(int t) const {
  const double bar = alpha_bar(t);
  return {std::sqrt(bar), std::sqrt(1 - bar), static_cast<double>(t)};
}

Node node_of_sigma(double sigma, double timestep) {
  const double alpha = 1.0 / std::sqrt(1 + sigma * sigma);
  return {alpha, sigma * alpha, timestep};
}

std::vector<double> common_timesteps(const std::string& spacing, int total, int n) {
  std::vector<double> out;
  if (spacing == "sgm-uniform")
    for (int i = n; i >= 1; --i) out.push_back(std::nearbyint((total - 1.0) * i / n));
  if (spacing == "beta")
    for (int i = n; i >= 1; --i) {
      const double t = std::nearbyint((total - 1.0) * beta_quantile(static_cast<double>(i) / n, 0.6, 0.6));
      out.push_back(out.empty() ? t : std::max(0.0, std::min(t, out.back() - 1)));
    }
  return out;
}

std::vector<double> spaced_timesteps(const SchedulerConfig& c, int n) {
  const int total = c.num_train_timesteps;
  std::vector<double> out = common_timesteps(c.spacing, total, n);
  if (!out.empty()) return out;
  if (c.spacing == "linspace") {
    for (int i = n - 1; i >= 0; --i) out.push_back(n == 1 ? 0.0 : (total - 1.0) * i / (n - 1));
  } else if (c.spacing == "leading") {
    const int ratio = total / n;
    for (int i = n - 1; i >= 0; --i) out.push_back(static_cast<double>(i * ratio + c.steps_offset));
  } else {
    const double ratio = static_cast<double>(total) / n;
    for (int i = 0; i < n; ++i) out.push_back(std::nearbyint(total - i * ratio) - 1);
  }
  return out;
}

std::vector<double> karras_sigmas(double low, double high, int n) {
  constexpr double rho = 7.0;
  const double a = std::pow(low, 1 / rho), b = std::pow(high, 1 / rho);
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(std::pow(b + (n == 1 ? 0.0 : static_cast<double>(i) / (n - 1)) * (a - b), rho));
  return out;
}

std::vector<double> exponential_sigmas(double low, double high, int n) {
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(std::exp(std::log(high) + (n == 1 ? 0.0 : (std::log(low) - std::log(high)) * i / (n - 1))));
  return out;
}

std::vector<double> beta_sigmas(double low, double high, int n) {
  std::vector<double> out;
  for (int i = 0; i < n; ++i) out.push_back(low + (n == 1 ? 1.0 : i == 0 ? 1.0 : i == n - 1 ? 0.0 : beta_quantile(1 - static_cast<double>(i) / (n - 1), 0.6, 0.6)) * (high - low));
  return out;
}

std::vector<double> named_sigmas(const std::string& kind, double low, double high, int n) {
  if (kind == "karras") return karras_sigmas(low, high, n);
  if (kind == "exponential" || kind == "lu") return exponential_sigmas(low, high, n);
  if (kind == "beta") return beta_sigmas(low, high, n);
  return {};
}

SigmaGrid sigma_grid(const SchedulerConfig& c, const NoiseTable& table, int n, const CustomSteps& custom) {
  SigmaGrid g;
  if (!custom.sigmas.empty()) {
    for (const double s : custom.sigmas) g.sigmas.push_back(rounded(s));
    for (std::size_t i = 0; i + 1 < g.sigmas.size(); ++i) g.timesteps.push_back(table.timestep_of(g.sigmas[i]));
  } else {
    g.timesteps = custom.timesteps.empty() ? spaced_timesteps(c, n) : custom.timesteps;
    for (double& t : g.timesteps) t = rounded(t);
    if (c.interpolation == "log_linear") {
      const double high = std::log(table.sigmas().back()), low = std::log(table.sigmas().front());
      for (int i = 0; i <= n; ++i) g.sigmas.push_back(std::exp(high + (low - high) * i / n));
    } else {
      for (const double t : g.timesteps) g.sigmas.push_back(table.sigma_at(t));
    }
    if (!c.sigmas.empty()) {
      g.sigmas = named_sigmas(c.sigmas, c.sigma_min.value_or(g.sigmas.back()), c.sigma_max.value_or(g.sigmas.front()), n);
      for (std::size_t i = 0; i < g.timesteps.size(); ++i) g.timesteps[i] = table.timestep_of(g.sigmas[i]);
    }
    if (c.timestep_type == "continuous" && c.prediction == Prediction::v_prediction)
      for (std::size_t i = 0; i < g.timesteps.size(); ++i) g.timesteps[i] = 0.25 * std::log(g.sigmas[i]);
    g.sigmas.push_back(c.final_sigmas == "zero" ? 0.0 : table.sigmas().front());
  }
  for (double& s : g.sigmas) s = rounded(s);
  const double largest = *std::max_element(g.sigmas.begin(), g.sigmas.end());
  g.initial_scale = c.spacing == "leading" ? std::sqrt(largest * largest + 1) : largest;
  return g;
}

}  // namespace safelight
