#include "tests/service/router/planner.h"

#include <fmt/format.h>

#include <algorithm>

namespace safelight::simulation {

StepOutlook true_outlook(const World& world, const ModelRow& row, const std::string& task, double work, double usd, std::int64_t ms) {
  const Phase& p = world.phase(row.id, ms);
  StepOutlook o{.latency = {}, .queue_ms = p.queue_ms, .answers = 1 - p.failing, .failure_ms = p.hangs ? 1e9 : p.failure_ms, .usd = usd, .quality = world.quality(row.id, task, work, ms)};
  o.latency.add(world.table(p), 1, work);
  o.p50_ms = o.latency.quantile(0.5), o.sure_ms = o.latency.quantile(0.99);
  return o;
}

std::vector<BruteForcePlanner::Option> BruteForcePlanner::options(const RouteRequest& request, const Slo& slo, const SpendBook& spending, std::int64_t ms) const {
  const RouterState state{world_.catalogue(), none_, healthy_, spending};
  std::vector<Option> out;
  const auto add = [&](const ModelRow& row, const std::string& key, double work, bool whole) {
    Option o{.step = {.row = row.id, .option = key, .rung = {}, .when = {}, .steps_share = work, .upscaler = {}, .why = {}}, .outlook = true_outlook(world_, row, request.profile.task, work, *request_usd(row, request.image), ms)};
    o.step.usd = o.outlook.usd, o.step.free = row.free, o.step.queue_ms = o.outlook.queue_ms, o.step.p50_ms = o.outlook.p50_ms, o.step.sure_ms = o.outlook.sure_ms;
    OptionOutlook measured;
    measured.latency = o.outlook.latency, measured.quality = o.outlook.quality, measured.quality_measured = true;
    o.first = whole && !unfit(measured, o.outlook.queue_ms, static_cast<double>(slo.latency.limit_ms), request.profile, slo);
    out.push_back(std::move(o));
  };
  for (const ModelRow& row : world_.catalogue().rows()) {
    if (unusable(row, request, slo, state, world_.at(ms))) continue;
    add(row, row.id, 1, true);
    if (row.can.steps) add(row, row.id + "+fewer-steps", 0.5, false);
  }
  return out;
}

namespace {

bool is_attempted(std::span<const StepOutlook* const> steps, const LossScale& scale) {
  const StepOutlook& s = *steps.front();
  return attempt_ms({s.p50_ms, s.sure_ms, s.queue_ms, reserve_ms(steps, 0, scale.after_ambiguous), !(s.usd > 0)}, 0, scale.limit_ms, scale.deadline_ms) > 0;
}

}  // namespace

RoutePlan BruteForcePlanner::search(const std::vector<Option>& options, const RouteRequest& request, const Slo& slo) const {
  const LossScale scale = loss_scale(slo, request.profile.mode);
  const bool any_first = std::any_of(options.begin(), options.end(), [](const Option& o) { return o.first; });
  std::vector<std::size_t> order, best;
  std::vector<const StepOutlook*> steps;
  PlanValue best_value;
  const auto better = [&](const PlanValue& a, const PlanValue& b) {
    const bool a_keeps = a.on_time >= scale.percentile, b_keeps = b.on_time >= scale.percentile;
    if (a_keeps != b_keeps) return a_keeps;
    return a_keeps ? a.loss < b.loss : a.on_time > b.on_time;
  };
  const auto extend = [&](const auto& self) -> void {
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (order.empty() && any_first && !options[i].first) continue;
      if (std::find(order.begin(), order.end(), i) != order.end()) continue;
      order.push_back(i), steps.push_back(&options[i].outlook);
      const PlanValue value = value_of(steps, scale);
      // A first step for which there is no time would make the second a first choice that may not be one.
      if ((!any_first || is_attempted(steps, scale)) && (best.empty() || better(value, best_value))) best = order, best_value = value;
      if (order.size() < static_cast<std::size_t>(slo.fallback.attempts)) self(self);
      order.pop_back(), steps.pop_back();
    }
  };
  extend(extend);
  RoutePlan plan{.profile = request.profile, .slo = slo.name, .steps = {}, .dropped = {}, .value = best_value, .limit_ms = scale.limit_ms, .deadline_ms = scale.deadline_ms, .after_ambiguous = scale.after_ambiguous, .why = {}};
  for (const std::size_t i : best) steps.push_back(&options[i].outlook);
  for (std::size_t k = 0; k < best.size(); ++k) {
    plan.steps.push_back(options[best[k]].step);
    if (k > 0) plan.steps.back().rung = "planned", plan.steps.back().when = {std::begin(kTriggers), std::end(kTriggers)};
    plan.steps.back().reserve_ms = reserve_ms(steps, k, scale.after_ambiguous);
  }
  return plan;
}

RoutePlan BruteForcePlanner::plan(const RouteRequest& request, const Slo& slo, const SpendBook& spending, std::int64_t ms) {
  const std::vector<Option> all = options(request, slo, spending, ms);
  std::string key = slo.name + " " + request.profile.task;
  for (const Option& o : all) key += fmt::format("|{} {} {} {} {}", o.step.option, &world_.phase(o.step.row, ms) - world_.row(o.step.row).phases.data(), o.step.usd, o.first, o.step.queue_ms);
  const auto [it, fresh] = known_.try_emplace(key);
  if (fresh) it->second = search(all, request, slo);
  return it->second;
}

}  // namespace safelight::simulation
