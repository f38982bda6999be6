// Intervals of 95 % for what a sweep measures over seeds.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "common/base/json.h"

namespace safelight {

// `low` and `high` are NaN where there are too few values to tell.
struct Interval {
  double value = std::numeric_limits<double>::quiet_NaN();
  double low = std::numeric_limits<double>::quiet_NaN(), high = std::numeric_limits<double>::quiet_NaN();
};
Json to_json(const Interval& interval);  // {"value", "low", "high"}; null where NaN

// A share of `hits` among `n` (Wilson 1927). NaN for n = 0.
Interval wilson(double hits, double n);

// Values of one seed belong together: cells of one seed start from the same noise and are not independent.
using Groups = std::vector<std::vector<double>>;

// Mean over all values; percentile bootstrap (Efron 1979) that draws whole groups, with a fixed seed.
Interval bootstrap_mean(const Groups& groups);

// Share of ones among values of 0 and 1: Wilson's interval with n divided by the design effect of the groups (Kish 1965).
Interval grouped_share(const Groups& groups);

}  // namespace safelight
