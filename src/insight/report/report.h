// The self-contained HTML report of one or more runs.
#pragma once

#include <string>
#include <vector>

#include "common/trace/trace.h"
#include "insight/diagnosis/baseline.h"

namespace safelight {

// The viewer's data (web/src/data.ts) for one run. `baseline` may be null. A run that was killed gives what there is.
Json report_run(const TraceReader& run, const Baseline* baseline);

// One page that works from the file system with no network. Data can never end the script element that holds it.
std::string report_html(const std::vector<Json>& runs);

}  // namespace safelight
