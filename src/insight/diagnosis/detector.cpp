#include "insight/diagnosis/detector.h"

#include <cmath>
#include <limits>

namespace safelight {

Departure departure(const DetectorInput& in, const std::string& series, Side side, double least, int skip) {
  Departure best;
  if (!in.baseline || !in.trace.has(series)) return best;
  const auto& rows = in.trace.values(series);
  const int steps = static_cast<int>(rows.size()) - skip;
  const std::size_t elements = rows.empty() ? 0 : rows.front().size();
  for (std::size_t e = 0; e < elements; ++e) {
    int start = -1;
    Departure now;
    const auto close = [&](int end) {
      const bool lasts = start >= 0 && (end - start >= 2 || end == static_cast<int>(rows.size()));
      if (lasts && (!best.found || now.severity > best.severity)) {
        now.found = true;
        now.first_step = start;
        now.last_step = end - 1;
        now.element = e;
        best = now;
      }
      start = -1;
      now = {};
    };
    for (int step = 0; step < steps; ++step) {
      const double value = rows[static_cast<std::size_t>(step)][e];
      const Band* band = in.baseline->band(series, e, in.trace.nodes()[static_cast<std::size_t>(step)].timestep);
      double d = 0;
      if (band && std::isfinite(value)) {
        d = band->deviation(value, 0.02 * std::abs(band->median) + 1e-4);
        if ((side == Side::above && value < band->low) || (side == Side::below && value > band->high)) d = 0;
      }
      if (d <= least) {
        close(step);
        continue;
      }
      if (start < 0) start = step;
      if (d > now.severity) {
        now.severity = d;
        now.value = value;
        now.band = *band;
      }
    }
    close(steps);
  }
  return best;
}

Evidence evidence_of(const std::string& series, const Departure& d, const std::string& note) {
  return {.statistic = series, .value = d.value, .low = d.band.low, .high = d.band.high, .step = d.first_step, .note = note};
}

double fact(const TraceReader& trace, const char* group, const char* key) {
  const Json& facts = trace.run().contains("facts") ? trace.run()["facts"] : trace.run();
  if (facts.contains(group) && facts[group].is_object() && facts[group].contains(key) && facts[group][key].is_number())
    return facts[group][key].get<double>();
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace safelight
