// Settings of a sweep against each other: quality over seeds, time, the Pareto front, and which to use.
#pragma once

#include "insight/sweeps/failure_vectors.h"

namespace safelight {

struct PointResult {
  std::size_t point = 0;           // into SweepPlan::points
  int cells = 0, failed = 0;
  Interval healthy;                // share of cells
  Interval artifact, adherence;    // means; NaN where there are none
  Interval loss;                   // mean of CellRecord::loss()
  std::int64_t evaluations = 0;    // rows that the denoiser computed
  // What the setting takes: evaluations times the model's median time for one, and its median time for the rest. Steadier than
  // the mean of a few cells, and settings of one model keep the order of their work whatever else the machine did.
  double time_ms = 0;              // 0: no cell finished
  bool pareto = false;             // no setting is as good in less time
};

// In the order of the plan, settings without a cell left out.
std::vector<PointResult> point_results(const SweepPlan& plan, const std::vector<CellRecord>& records);

struct Recommendation {
  std::size_t faithful = 0, fast = 0;   // into the results; equal where nothing faster is nearly as good
  Interval loss_added;                  // fast minus faithful, by pairs of one seed
};
// faithful: the cheapest of the settings that no seed-paired difference tells from the best one. fast: the cheapest whose loss
// is larger by at most kTradedLoss. Both among the settings of which at least half of the cells are healthy, where there are any. Nothing when
// no cell finished.
inline constexpr double kTradedLoss = 0.1;
std::optional<Recommendation> recommend(const SweepPlan& plan, const std::vector<CellRecord>& records, const std::vector<PointResult>& results);

}  // namespace safelight
