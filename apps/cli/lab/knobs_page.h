// The page about knobs: text, tables, plots and the numbers behind them, all from the finished cells.
#pragma once

#include <filesystem>

#include "apps/cli/lab/knobs_scores.h"

namespace safelight::app {

struct KnobRun {
  int done = 0, total = 0;                  // pictures, and measurements of time and memory
  int threads = 0;                          // 0: the engine's own choice
};

// Writes knobs.md, knobs.json and knobs-SECTION-MEASURE.svg; an older page's plots that no longer belong to it are removed. Each file is
// replaced at once, the page last. Returns what knobs.json holds.
Json write_knob_page(const std::filesystem::path& out, const KnobPlan& plan, const CellFile& cells, const KnobRun& run);

}  // namespace safelight::app
