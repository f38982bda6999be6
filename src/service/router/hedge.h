// Hedging: the same request sent to a second place when the first takes unusually long. Only where it costs nothing.
#pragma once

#include <set>
#include <string>

#include "service/router/plan.h"

namespace safelight {

struct Hedge {
  bool may = false;
  std::size_t step = 0;          // of the plan: the second place
  double after_ms = 0;           // since the first attempt was started: when it takes longer than the promised share of its calls
  std::string why;               // one sentence, also where it may not
};

// Both places must be free of charge, the second one idle (its id is in `idle`: otherwise others would wait for it), at least as good,
// and quick enough to be of use within the limit.
Hedge hedge_for(const RoutePlan& plan, const std::set<std::string>& idle);

}  // namespace safelight
