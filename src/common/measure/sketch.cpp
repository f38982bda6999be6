#include "common/measure/sketch.h"

#include <cmath>
#include <cstdint>
#include <limits>

namespace safelight {
namespace {

// A well mixed number for each place (the finaliser of SplitMix64, Steele et al., doi:10.1145/2660193.2660195); its bits are the signs.
std::uint64_t signs_of(std::uint64_t place) {
  std::uint64_t z = (place + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

constexpr std::size_t kBits = 8;
static_assert(kSketch % kBits == 0);

// For every byte of signs, its bits as 1 and -1: eight products at a time instead of eight branches.
constexpr auto kSigns = [] {
  std::array<std::array<double, kBits>, 1 << kBits> out{};
  for (std::size_t byte = 0; byte < out.size(); ++byte)
    for (std::size_t bit = 0; bit < kBits; ++bit) out[byte][bit] = (byte >> bit & 1) != 0 ? 1 : -1;
  return out;
}();

void add_signed(std::array<double, kSketch>& sum, double value, std::uint64_t signs) {
  for (std::size_t first = 0; first < kSketch; first += kBits) {
    const std::array<double, kBits>& sign = kSigns[signs >> first & 0xFF];
    for (std::size_t bit = 0; bit < kBits; ++bit) sum[first + bit] += value * sign[bit];
  }
}

}  // namespace

std::array<double, kSketch> sketch(std::span<const float> values) {
  std::array<double, kSketch> sum{};
  for (std::size_t i = 0; i < values.size(); ++i) add_signed(sum, values[i], signs_of(i));
  for (double& s : sum) s /= std::sqrt(static_cast<double>(kSketch));
  return sum;
}

double relative_distance(std::span<const double> a, std::span<const double> b) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  if (a.size() != b.size()) return kFar;
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  if (!std::isfinite(difference) || !std::isfinite(size)) return kFar;
  if (difference == 0) return 0;
  return size > 0 ? std::sqrt(difference / size) : kFar;
}

}  // namespace safelight
