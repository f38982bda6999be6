#include "common/measure/wilson.h"

#include <algorithm>
#include <cmath>

namespace safelight {

ShareInterval wilson_interval(double hits, double n, double z) {
  if (n <= 0) return {};
  const double p = hits / n, z2 = z * z, d = 1 + z2 / n;
  const double centre = (p + z2 / (2 * n)) / d, half = z * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / d;
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace safelight
