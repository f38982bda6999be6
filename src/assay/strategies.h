// What a diagnosis has to beat: ways to an answer that need no theory of the pipeline.
#pragma once

#include <string>

#include "common/trace/trace.h"
#include "insight/diagnosis/baseline.h"
#include "insight/diagnosis/experiment.h"

namespace safelight {

// Rules of thumb with fixed limits, read off one trace without the model's baseline. A subsystem or "healthy".
std::string fixed_thresholds(const TraceReader& trace);

struct BlindAnswer {
  std::string said;   // a subsystem, "healthy" or "undetermined"
  int reruns = 0;
};
// Swaps one thing after the other in a fixed order until the artifact score is healthy, with at most `budget` reruns.
BlindAnswer blind_swapping(const TraceReader& trace, const Baseline& baseline, Experiment& experiment, int budget);

}  // namespace safelight
