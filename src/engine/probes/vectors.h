// Small arithmetic on float arrays, shared by probes. At latent sizes plain loops beat library calls.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <span>
#include <vector>

namespace safelight {

inline std::span<const float> values_of(const at::Tensor& t) {  // t: float32, contiguous, CPU
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.numel())};
}

inline double dot(std::span<const float> a, std::span<const float> b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += static_cast<double>(a[i]) * b[i];
  return s;
}

inline double norm(std::span<const float> a) { return std::sqrt(dot(a, a)); }

struct Moments {
  double mean = 0, std = 0;
};

inline Moments moments(std::span<const float> a) {
  double s = 0, q = 0;
  for (const float x : a) s += x, q += static_cast<double>(x) * x;
  const auto n = static_cast<double>(a.size());
  return {s / n, std::sqrt(std::max(0.0, q / n - s / n * (s / n)))};
}

inline double correlation(std::span<const float> a, std::span<const float> b) {
  const Moments ma = moments(a), mb = moments(b);
  const double covariance = dot(a, b) / static_cast<double>(a.size()) - ma.mean * mb.mean;
  return covariance / (ma.std * mb.std + 1e-12);
}

inline std::vector<std::string> numbered(const char* prefix, std::size_t n) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(prefix + std::to_string(i));
  return out;
}

}  // namespace safelight
