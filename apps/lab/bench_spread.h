// Median, lowest and highest of measurements.
#pragma once

#include <algorithm>
#include <vector>

#include "common/base/json.h"

namespace safelight::app {

struct Spread {
  double median = 0, low = 0, high = 0;
};

inline Spread spread_of(std::vector<double> v) {
  if (v.empty()) return {};
  std::sort(v.begin(), v.end());
  return {v[v.size() / 2], v.front(), v.back()};
}

inline Json to_json(const Spread& s) { return {{"median", s.median}, {"low", s.low}, {"high", s.high}}; }

}  // namespace safelight::app
