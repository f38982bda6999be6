// Guidance that drives the estimate out of the range of clean latents (P06, P07).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  const Departure scaled = departure(in, "guidance.delta_ratio", Side::above, 0.5);
  const Departure spread = departure(in, "guidance.std_ratio", Side::above, 0.5);
  if (!scaled.found && !spread.found) return {};
  const Departure& d = scaled.severity >= spread.severity ? scaled : spread;
  const double scale = in.trace.has("guidance.scale") && in.trace.steps_done() > 0 ? in.trace.scalar("guidance.scale").front() : std::nan("");
  // Where the scale itself leaves its band it begins, even if the estimate holds out for some steps.
  const Departure asked = departure(in, "guidance.scale", Side::above, 0.5);
  const int first = asked.found ? std::min(asked.first_step, d.first_step) : d.first_step;
  Finding f{.subsystem = "guidance", .cause = "guidance-burn", .first_step = first, .last_step = d.last_step, .severity = d.severity,
            .what = fmt::format("guidance {:.3g} pulls the estimate out of its healthy range, measured from step {} on", scale, d.first_step), .evidence = {}};
  if (scaled.found) f.evidence.push_back(evidence_of("guidance.delta_ratio", scaled));
  if (spread.found) f.evidence.push_back(evidence_of("guidance.std_ratio", spread));
  return {f};
}

}  // namespace

DetectorEntry guidance_burn() { return {"guidance-burn", "guidance", "guidance that drives the estimate out of range", detect}; }

}  // namespace safelight
