#include "service/router/hedge.h"

#include <algorithm>

namespace safelight {

Hedge hedge_for(const RoutePlan& plan, const std::set<std::string>& idle) {
  if (plan.steps.empty()) return {.why = "there is no plan"};
  const RouteStep& first = plan.steps.front();
  if (!first.free) return {.why = "'" + first.row + "' costs money: a call that loses the race would be paid for nothing"};
  for (std::size_t i = 1; i < plan.steps.size(); ++i) {
    const RouteStep& s = plan.steps[i];
    const double after_ms = first.queue_ms + first.slo_ms;
    const bool useful = after_ms + s.sure_ms <= plan.limit_ms;
    const bool as_good = s.quality_measured == first.quality_measured && s.quality >= first.quality;
    if (s.free && s.row != first.row && idle.contains(s.row) && s.queue_ms == 0 && useful && as_good)
      return {true, i, after_ms, "'" + s.row + "' is free, idle and at least as good"};
  }
  return {.why = "no other step is free, idle, at least as good and quick enough"};
}

}  // namespace safelight
