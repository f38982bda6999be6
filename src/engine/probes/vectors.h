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

// The sum of term(0) ... term(n - 1), in eight interleaved parts: one alone would wait for each addition.
template <class Term>
double sum_over(std::size_t n, const Term& term) {
  constexpr std::size_t kParts = 8;
  double part[kParts] = {};
  std::size_t i = 0;
  for (; i + kParts <= n; i += kParts)
    for (std::size_t k = 0; k < kParts; ++k) part[k] += term(i + k);
  for (; i < n; ++i) part[0] += term(i);
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

inline double dot(std::span<const float> a, std::span<const float> b) {
  return sum_over(a.size(), [&](std::size_t i) { return static_cast<double>(a[i]) * b[i]; });
}

inline double norm(std::span<const float> a) { return std::sqrt(dot(a, a)); }

struct Moments {
  double mean = 0, std = 0;
};

inline Moments moments(std::span<const float> a) {
  const double s = sum_over(a.size(), [&](std::size_t i) { return static_cast<double>(a[i]); }), q = dot(a, a);
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
