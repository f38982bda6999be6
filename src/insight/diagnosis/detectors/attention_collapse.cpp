// Cross-attention that no longer routes by the text (P10): the spread of its logits over tokens leaves its band.
#include <fmt/format.h>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  Departure d = departure(in, "attention.logit_std", Side::either, 1.0);
  if (!d.found && in.trace.has("attention.logit_std")) {  // whatever the model and however wide its band: no spread at all is no routing
    const auto values = in.trace.scalar("attention.logit_std");
    for (std::size_t i = 0; i < values.size() && !d.found; ++i)
      if (values[i] < 1e-6) d = {.found = true, .first_step = static_cast<int>(i), .last_step = static_cast<int>(values.size()) - 1, .severity = 10};
  }
  if (!d.found) return {};
  const bool flat = d.value < d.band.median;
  Finding f{.subsystem = "cross-attention", .cause = flat ? "attention-flat" : "attention-sharp", .first_step = d.first_step, .last_step = d.last_step, .severity = d.severity,
            .what = fmt::format("cross-attention {} from step {} on", flat ? "stops routing by the words" : "becomes far more decided than it should be", d.first_step),
            .evidence = {evidence_of("attention.logit_std", d)}};
  const Departure routing = departure(in, "attention.routing_entropy", Side::either, 0.5);
  if (routing.found) f.evidence.push_back(evidence_of("attention.routing_entropy", routing));
  return {f};
}

}  // namespace

DetectorEntry attention_collapse() { return {"attention-collapse", "cross-attention", "cross-attention that no longer routes by the text", detect}; }

}  // namespace safelight
