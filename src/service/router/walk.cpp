#include "service/router/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace safelight {
namespace {

double time_for(const RoutePlan& plan, const RouteStep& s, double elapsed_ms) {
  return attempt_ms({s.p50_ms, s.sure_ms, s.queue_ms, s.reserve_ms, s.free}, elapsed_ms, plan.limit_ms, plan.deadline_ms);
}

// The first step from `from` on that the trigger may lead to and that there is time and permission for.
Move descend(const RoutePlan& plan, const Walk& walk, std::size_t from, const std::string& trigger, const std::string& why) {
  for (std::size_t i = from; i < plan.steps.size(); ++i) {
    const RouteStep& s = plan.steps[i];
    const bool leads = i == 0 || trigger.empty() || std::find(s.when.begin(), s.when.end(), trigger) != s.when.end();
    if (!leads || (walk.free_only && !s.free)) continue;
    const double may_ms = time_for(plan, s, walk.elapsed_ms);
    if (may_ms > 0) return {MoveKind::attempt, i, may_ms, trigger, why};
  }
  return {MoveKind::refuse, from, 0, trigger, why + "; no step that is left may follow in time"};
}

std::string trigger_of(FailureClass failure) {
  return failure == FailureClass::deadline || failure == FailureClass::ambiguous ? "deadline" : failure == FailureClass::throttled ? "queue" : "down";
}

}  // namespace

Move first_move(const RoutePlan& plan, Walk& walk) {
  if (plan.steps.empty()) return {MoveKind::refuse, 0, 0, "down", plan.why};
  if (time_for(plan, plan.steps.front(), walk.elapsed_ms) > 0) return descend(plan, walk, 0, "", plan.why);
  const bool queued = plan.steps.front().queue_ms > 0;
  return descend(plan, walk, 1, queued ? "queue" : "deadline", queued ? "the queue of the first choice is too long" : "too little time is left for the first choice");
}

Move next_move(const RoutePlan& plan, Walk& walk, const AttemptResult& result) {
  const RouteStep& s = plan.steps.at(result.step);
  if (!result.failure) {
    if (!result.judgement || result.judgement->passes) return {MoveKind::deliver, result.step, 0, "", result.judgement ? result.judgement->why : "the picture was not judged"};
    return descend(plan, walk, result.step + 1, "verdict", result.judgement->why);
  }
  const ProviderFailure& f = *result.failure;
  const FailureTraits& t = traits(f.failure);
  const std::string why = fmt::format("'{}' failed ({}): {}", s.row, t.name, f.message);
  const bool refused = f.failure == FailureClass::refused;
  if (refused && !plan.on_refusal) return {MoveKind::refuse, result.step, 0, "", why + "; the SLO does not let another model be asked"};
  // `deadline` is the end of this attempt's time, not of the request's.
  if (!t.try_other && !refused && f.failure != FailureClass::ambiguous && f.failure != FailureClass::deadline) return {MoveKind::refuse, result.step, 0, "", why};
  const bool maybe_paid = !s.free && (f.acceptance == Acceptance::unknown || f.acceptance == Acceptance::accepted);
  if (maybe_paid && plan.after_ambiguous == AfterAmbiguous::stop)
    return {MoveKind::refuse, result.step, 0, "", why + "; it may have been billed, and the SLO lets nothing follow"};
  if (maybe_paid && plan.after_ambiguous == AfterAmbiguous::free) walk.free_only = true;
  return descend(plan, walk, result.step + 1, trigger_of(f.failure), why);
}

}  // namespace safelight
