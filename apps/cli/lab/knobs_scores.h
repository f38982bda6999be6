// What the finished cells say: values with intervals, and how far they move from one setting to another.
#pragma once

#include <optional>
#include <utility>

#include "apps/cli/lab/knobs_cells.h"

namespace safelight::app {

struct Estimate {
  double value = 0;
  std::optional<std::pair<double, double>> interval;   // 95 %; absent for fewer than two prompts
  int prompts = 0, pictures = 0;
};

// Fewer prompts tell no change apart, whatever the interval: even where all agree, a sign test needs six for 95 %.
inline constexpr int kLeastPrompts = 6;

struct Scored {
  const KnobPoint* point = nullptr;
  std::vector<std::optional<Estimate>> values;   // by measure of the section; absent where there was nothing to measure
  std::vector<std::optional<Estimate>> changes;  // from the line's reference to here; absent for the reference itself
};

struct ScoredLine {
  const KnobLine* line = nullptr;
  std::size_t reference = 0;                     // of a knob the point that the model recommends, where it is there; else the first
  std::vector<Scored> points;
};

// Shares have Wilson intervals over the pictures, means have Student's t over the prompts, each prompt's pictures averaged first, and
// so have changes, which are paired: equal prompts and seeds on both sides.
std::vector<ScoredLine> scored(const KnobSection& section, const KnobPlan& plan, const CellFile& cells, int threads);

Json to_json(const std::optional<Estimate>& estimate);   // null where absent

}  // namespace safelight::app
