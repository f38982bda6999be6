#include "insight/diagnosis/experiment.h"

#include <cmath>
#include <limits>

namespace safelight {

Interventions sham_of(const Interventions& own, double size) {
  Interventions sham = own;
  sham.restart.reset();
  sham.sham = Sham{size, 1};
  return sham;
}

double latent_move(const TraceReader& from, const TraceReader& to) {
  const StoredTensor a = from.final_latent(), b = to.final_latent();
  if (a.values.empty() || a.shape != b.shape) return std::numeric_limits<double>::quiet_NaN();
  double moved = 0, size = 1e-12;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double d = static_cast<double>(b.values[i]) - a.values[i];
    moved += d * d;
    size += static_cast<double>(a.values[i]) * a.values[i];
  }
  return std::sqrt(moved / size);
}

}  // namespace safelight
