// A sweep as one JSON object, for the terminal, the viewer and other programs.
#pragma once

#include "insight/sweeps/operating_points.h"

namespace safelight {

// Keys: spec, shared, cells, points, failures, regions, recommended. What depends on the clock stands in keys that begin with
// "time_"; everything else is the same for equal records. Run directories are relative to the sweep's.
Json sweep_report(const SweepSpec& spec, const SweepPlan& plan, std::vector<CellRecord> records);

// Several lines for the terminal.
std::string sweep_text(const Json& report);

}  // namespace safelight
