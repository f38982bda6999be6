// What goes wrong in a sweep, and where: severity x prevalence over (subsystem, cause), for the whole grid and its regions.
#pragma once

#include <map>

#include "insight/sweeps/cell_record.h"
#include "insight/sweeps/intervals.h"

namespace safelight {

// A part of the grid: settings on one side of a threshold, or with one value of an axis. An empty axis: the whole grid.
struct GridRegion {
  std::string axis;            // model, decoder, scheduler, steps, guidance
  std::string relation;        // "=", ">" or "<="
  std::string value;           // as text, for models, decoders and schedulers
  double threshold = 0;        // for steps and guidance
  bool holds(const OperatingPoint& point) const;
  std::string text() const;    // "guidance > 10"
};

struct FailureVector {
  std::string subsystem, cause;   // "undetermined" and "" where no subsystem stood out
  Interval prevalence;            // share of cells whose verdict names it
  Interval severity;              // 0..1, mean over those cells
  Interval weight;                // severity x prevalence: mean over all cells, 0 where it is not named
};

// The heaviest first; empty where every cell is healthy.
std::vector<FailureVector> failure_vectors(const SweepPlan& plan, const std::vector<CellRecord>& records, const GridRegion& region);
Json to_json(const FailureVector& v);

// Every value of every axis that has several, and every threshold between neighbouring values of steps and guidance, both sides.
std::vector<GridRegion> regions_of(const SweepPlan& plan);

// The region that separates a failure best: the largest difference of its weight inside and outside. `captured` is the share of
// the failure's whole weight that lies inside; `confined`: at least 95 % of it, and the prevalences' intervals do not meet.
struct Separation {
  GridRegion region;
  FailureVector inside, outside;
  double captured = 0;
  bool confined = false;
};
std::optional<Separation> best_separation(const SweepPlan& plan, const std::vector<CellRecord>& records, const FailureVector& failure);

// Values of the cells in a region, grouped by seed.
template <class Predicate, class Value>
Groups grouped(const SweepPlan& plan, const std::vector<CellRecord>& records, Predicate&& inside, Value&& value) {
  std::map<std::uint64_t, std::vector<double>> by_seed;
  for (const CellRecord& r : records) {
    const Cell& cell = plan.cells[static_cast<std::size_t>(r.cell)];
    if (!inside(cell, r)) continue;
    if (const std::optional<double> v = value(r)) by_seed[cell.seed].push_back(*v);
  }
  Groups out;
  for (auto& [seed, values] : by_seed) out.push_back(std::move(values));
  return out;
}

}  // namespace safelight
