// Steps too long for the solver (P04, P08): log-SNR steps beyond those of healthy runs.
#include <fmt/format.h>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.baseline || in.trace.steps_done() == 0) return {};
  // The last step ends at no noise at all, however many there are; what counts is how coarse the whole ladder is.
  const auto band = in.baseline->facts.find("scheduler.steps_planned");
  const double steps = fact(in.trace, "scheduler", "steps_planned");
  if (band == in.baseline->facts.end() || !(steps < 0.4 * band->second.median)) return {};
  const double severity = band->second.median / steps;
  Finding f{.subsystem = "scheduler", .cause = "too-few-steps", .first_step = 0, .last_step = in.trace.steps_done() - 1, .severity = severity,
            .what = fmt::format("{:.0f} steps are too few for this solver; healthy runs took {:.0f}", steps, band->second.median),
            .evidence = {{.statistic = "scheduler.steps_planned", .value = steps, .low = 0.4 * band->second.median, .high = 10 * band->second.median}}};
  const Departure d = departure(in, "scheduler.log_snr_step", Side::above, 0.5, 1);
  if (d.found) f.evidence.push_back(evidence_of("scheduler.log_snr_step", d));
  return {f};
}

}  // namespace

DetectorEntry too_few_steps() { return {"too-few-steps", "scheduler", "steps too long for the solver", detect}; }

}  // namespace safelight
