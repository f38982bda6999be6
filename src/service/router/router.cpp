#include "service/router/router.h"

#include "common/base/error.h"

namespace safelight {

void Router::declare(const Slo& slo) {
  std::vector<Problem> problems = check(slo);
  const auto require_row = [&](const std::string& id, const std::string& where) {
    if (!id.empty() && !catalogue_.find(id)) problems.push_back({where, "names '" + id.substr(0, 40) + "'", "use an id of the catalogue"});
  };
  for (const std::string& id : slo.models.only) require_row(id, "models.only");
  for (const std::string& id : slo.models.never) require_row(id, "models.never");
  for (const LadderStep& step : slo.ladder) require_row(step.model, "ladder.model");
  require_no(problems, "SLO '" + slo.name + "'");
  const int days = slo.budget.period_days;
  const bool added = promises_.try_emplace(slo.name, Promise{slo, ErrorBudget("latency", 1 - slo.latency.percentile, days), ErrorBudget("quality", 1 - slo.quality.floor, days),
                                                             ErrorBudget("answered", 1 - slo.budget.answered, days), std::make_unique<RetryBudget>()}).second;
  if (!added) throw Error(ErrorCode::conflict, "SLO '" + slo.name + "' is declared twice: give it another name");
}

const Router::Promise& Router::promise(const std::string& name) const {
  const auto it = promises_.find(name);
  if (it != promises_.end()) return it->second;
  std::string known;
  for (const auto& [n, unused] : promises_) known += (known.empty() ? "" : ", ") + n;
  throw Error(ErrorCode::not_found, "there is no SLO '" + name.substr(0, 100) + "'; known: " + known);
}

const Slo& Router::slo(const std::string& name) const { return promise(name).slo; }

RoutePlan Router::plan(const RouteRequest& request, const std::string& slo, const Moment& now) const {
  const Promise& p = promise(slo);
  const bool calm = p.latency.state(now.steady_ms) == BurnState::calm && p.answered.state(now.steady_ms) == BurnState::calm;
  return make_plan(request, p.slo, {catalogue_, statistics_, health_, spending_}, now, policy_, calm);
}

bool Router::admit(const RoutePlan& plan, const RouteStep& step, const Moment& now) {
  if (step.row.empty()) return true;
  RetryBudget& budget = *promise(plan.slo).paid_fallbacks;
  if (step.rung.empty()) budget.first_attempt();
  else if (!step.free && !budget.take()) return false;
  const ModelRow& row = catalogue_.row(step.row);
  const bool probe = health_.take_probe(row, now.steady_ms);
  return probe || plan.panic || !health_.problem(row, now.steady_ms);
}

void Router::attempted(const RoutePlan& plan, const RouteStep& step, const AttemptReport& report, const Moment& now) {
  if (step.row.empty()) return;
  const ModelRow& row = catalogue_.row(step.row);
  if (report.failure) {
    ProviderFailure failure = *report.failure;
    // A call that was given up later than nearly all of its calls end hangs, as far as health goes.
    if (failure.failure == FailureClass::deadline && report.ms > step.sure_ms) failure.failure = FailureClass::transient;
    health_.failed(row, failure, now.steady_ms);
    // What the request or a policy is to blame for says nothing about the model.
    if (traits(failure.failure).health != HealthEffect::none || failure.failure == FailureClass::deadline) statistics_.failed(step.option, report.ms, now.steady_ms);
    return;
  }
  if (health_.state(row.id, now.steady_ms) != BreakerState::closed) statistics_.forgive(step.option);
  health_.succeeded(row, now.steady_ms);
  statistics_.answered(step.option, report.ms, now.steady_ms);
  if (report.right) statistics_.judged(step.option, plan.profile.task, *report.right, now.steady_ms);
}

void Router::served(const std::string& slo, const Served& served, std::optional<bool> right, const Moment& now) {
  promise(slo);  // refuses an unknown name
  Promise& p = promises_.at(slo);
  const bool answered = served.outcome != "refused";
  p.answered.record(answered, now.steady_ms);
  p.latency.record(answered && served.on_time, now.steady_ms);
  if (answered && right) p.quality.record(*right, now.steady_ms);
}

std::vector<BudgetReport> Router::budgets(const std::string& slo, const Moment& now) const {
  const Promise& p = promise(slo);
  return {p.latency.report(now.steady_ms), p.quality.report(now.steady_ms), p.answered.report(now.steady_ms)};
}

}  // namespace safelight
