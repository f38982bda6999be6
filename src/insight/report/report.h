// The self-contained HTML report of runs, of a comparison, of a sweep.
#pragma once

#include <filesystem>
#include <string>

#include "common/trace/trace.h"
#include "insight/diagnosis/baseline.h"

namespace safelight {

// The viewer's data (web/src/data.ts) for one run. `baseline` may be null. A run that was killed gives what there is. The page will
// stand in `page_directory`, from where it links to pages of other runs; empty: no links.
Json report_run(const TraceReader& run, const Baseline* baseline, const std::filesystem::path& page_directory);

// The same for a sweep: its report.json, with a small picture of every cell and a link to the cell's own page, where it has one. Throws
// Error(corrupt_file).
Json report_sweep(const Json& report, const std::filesystem::path& directory, const std::filesystem::path& page_directory);

// One page that works from the file system with no network: {"runs": [...]}, and "comparison" or "sweep" where it is about that. Data
// can never end the script element that holds it.
std::string report_html(const Json& page);

}  // namespace safelight
