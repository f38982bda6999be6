#include "tests/service/router/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "common/base/sha256.h"
#include "service/providers/clock.h"
#include "service/router/walk.h"

namespace safelight::simulation {
namespace {

constexpr int kRouter = 0, kPlanner = 1;
constexpr int kBoardPictures = 400;   // pictures of the score board that the router starts with

struct Lived {
  double loss = 0, usd = 0;
  bool answered = false, on_time = false, right = false;
};

ProviderFailure failure_of(FailureClass c, const char* message, Acceptance acceptance = Acceptance::not_sent) {
  ProviderFailure f;
  f.failure = c, f.message = message, f.acceptance = acceptance;
  return f;
}

class Simulation {
 public:
  Simulation(const Extent& extent, std::uint64_t seed)
      : world_(extent.hours, seed), router_(world_.catalogue(), {.seed = seed}), planner_(world_), arrivals_(world_.arrivals(extent.requests)) {
    if (extent.first > 0) arrivals_.resize(static_cast<std::size_t>(std::min(extent.first, extent.requests)));
    for (const Slo& slo : world_.slos()) router_.declare(slo);
    for (const ScriptedRow& row : world_.rows())
      for (const auto& [task, unused] : row.quality)
        for (const auto& [option, work] : {std::pair{row.id, 1.0}, {row.id + "+fewer-steps", 0.5}})
          router_.statistics().measured(option, task, static_cast<int>(world_.quality(row.id, task, work, 0) * kBoardPictures + 0.5), kBoardPictures);
  }

  Figures run() {
    for (const Arrival& a : arrivals_) serve(a);
    finish_hours();
    figures_.digest = sha256_hex(log_);
    return std::move(figures_);
  }

 private:
  struct HourCount {
    int requests = 0, on_time[2] = {0, 0};
    double expected = 0;              // sum of the planner's chances to be on time
  };

  void serve(const Arrival& a) {
    world_.apply_prices(a.at_ms);
    learn(a.at_ms);
    const Slo& slo = router_.slo(a.slo);
    RouteRequest request{.id = a.id, .image = {}, .profile = {}, .queue_ms = {}};
    request.image.prompt = a.prompt;
    request.image.width_px = request.image.height_px = 512;
    request.profile = task_profile(request.image, route_mode(slo.mode));
    for (const ScriptedRow& row : world_.rows())
      if (const double queue_ms = world_.phase(row.id, a.at_ms).queue_ms; queue_ms > 0) request.queue_ms[row.id] = queue_ms;
    const RoutePlan plan = router_.plan(request, a.slo, world_.at(a.at_ms)), best = planner_.plan(request, slo, router_.spending(), a.at_ms);
    const RoutePlan beside = planner_.plan(request, slo, planners_money_, a.at_ms);
    count(a, slo, plan, best, beside.value.on_time, live(a, slo, plan, kRouter), live(a, slo, beside, kPlanner));
  }

  // What the router has heard by now of calls that have ended.
  void learn(std::int64_t now_ms) {
    for (auto it = pending_.begin(); it != pending_.end() && it->first <= now_ms; it = pending_.erase(it)) it->second();
  }

  // Walks a plan through the scripted world.
  Lived live(const Arrival& a, const Slo& slo, const RoutePlan& plan, int who) {
    SpendBook& book = who == kRouter ? router_.spending() : planners_money_;
    Lived out;
    Walk walk;
    Served served;
    for (Move move = first_move(plan, walk); move.kind != MoveKind::refuse;) {
      const RouteStep& step = plan.steps[move.step];
      AttemptResult result{.step = move.step, .failure = {}, .judgement = {}};
      if (who == kRouter && !admitted(plan, step, a.at_ms)) {
        result.failure = failure_of(FailureClass::unsupported, "not admitted");
      } else if (!book.reserve(a.id + step.option, slo.name, step.usd, slo.cost.per_day_usd, world_.at(a.at_ms).unix_ms)) {
        result.failure = failure_of(FailureClass::over_budget, "the day's cap is reached");
      } else {
        result.failure = call(a, plan, move, walk, out, book, who);
      }
      if (who == kRouter) log_ += fmt::format("{} {} {}\n", a.id, step.option, result.failure ? name(result.failure->failure) : "ok");
      if (!result.failure) {
        out.answered = true;
        out.on_time = walk.elapsed_ms <= plan.limit_ms;
        served.outcome = step.rung.empty() ? "full" : "degraded";
        served.on_time = out.on_time;
        break;
      }
      move = next_move(plan, walk, result);
    }
    if (who == kRouter) {
      const std::int64_t end_ms = a.at_ms + static_cast<std::int64_t>(walk.elapsed_ms);
      pending_.emplace(end_ms, [this, slo = a.slo, served, right = out.right, end_ms] { router_.served(slo, served, right, world_.at(end_ms)); });
      figures_.degraded += served.outcome == "degraded";
    }
    const LossScale scale = loss_scale(slo, plan.profile.mode);
    out.loss = scale.cost * out.usd / scale.cap_usd + scale.time * std::min(walk.elapsed_ms, scale.deadline_ms) / scale.limit_ms;
    if (!out.answered) out.loss += kUnansweredPenalty;
    else out.loss += scale.quality * (out.right ? 0 : 1) + (out.on_time ? 0 : kLatePenalty);
    return out;
  }

  bool admitted(const RoutePlan& plan, const RouteStep& step, std::int64_t now_ms) {
    const BreakerState before = router_.health().state(step.row, now_ms);
    const bool yes = router_.admit(plan, step, world_.at(now_ms));
    figures_.probes += yes && before == BreakerState::half_open;
    figures_.calls_while_open += yes && !plan.panic && (before == BreakerState::open || before == BreakerState::probing);
    return yes;
  }

  // One call: its time is added to the walk, its money to `out`. The failure, if it is one.
  std::optional<ProviderFailure> call(const Arrival& a, const RoutePlan& plan, const Move& move, Walk& walk, Lived& out, SpendBook& book, int who) {
    const RouteStep& step = plan.steps[move.step];
    const ModelRow& row = world_.catalogue().row(step.row);
    const Fate f = fate(world_, a, step.row, step.option, plan.profile.task, step.steps_share, a.at_ms);
    const double may_ms = move.timeout_ms - step.queue_ms;
    std::optional<ProviderFailure> failure;
    double ms = f.ms;
    if (f.ms > may_ms) {
      ms = std::max(0.0, may_ms);
      failure = failure_of(FailureClass::deadline, "given up", Acceptance::unknown);
    } else if (f.fails) {
      failure = failure_of(FailureClass::transient, "503", Acceptance::rejected);
    }
    walk.elapsed_ms += step.queue_ms + ms;
    const bool given_up = failure && failure->failure == FailureClass::deadline;
    const double booked = failure ? 0 : step.usd, possible = given_up ? step.usd : 0;
    book.settle(a.id + step.option, booked, possible);
    out.usd += booked + possible;
    out.right = !failure && f.right;
    if (who == kPlanner) return failure;
    ++figures_.attempts;
    figures_.shut_down_calls += retired_at_vendor(row, date_of(world_.at(a.at_ms).unix_ms));
    const std::int64_t end_ms = a.at_ms + static_cast<std::int64_t>(walk.elapsed_ms);
    AttemptReport report{.failure = failure, .ms = ms, .right = {}};
    if (!failure) report.right = f.right;
    pending_.emplace(end_ms, [this, plan, step, report, end_ms] {
      const Breaker* b = router_.health().breaker(step.row);
      const int before = b ? b->ejections() : 0;
      router_.attempted(plan, step, report, world_.at(end_ms));
      figures_.breakers_opened += router_.health().breaker(step.row)->ejections() > before;
    });
    return failure;
  }

  // The plan's steps as they truly are, with the times by which the router would cut them.
  PlanValue true_value(const RoutePlan& plan, const LossScale& scale, std::int64_t ms) const {
    std::vector<StepOutlook> outlooks;
    std::vector<const StepOutlook*> steps;
    for (const RouteStep& s : plan.steps) {
      outlooks.push_back(true_outlook(world_, world_.catalogue().row(s.row), plan.profile.task, s.steps_share, s.usd, ms));
      outlooks.back().p50_ms = s.p50_ms, outlooks.back().sure_ms = s.sure_ms;
    }
    for (const StepOutlook& o : outlooks) steps.push_back(&o);
    return value_of(steps, scale);
  }

  void count(const Arrival& a, const Slo& slo, const RoutePlan& plan, const RoutePlan& best, double planners_on_time, const Lived& router, const Lived& planner) {
    const LossScale scale = loss_scale(slo, plan.profile.mode);
    const PlanValue mine = true_value(plan, scale, a.at_ms);
    ++figures_.requests;
    if (!plan.steps.empty()) ++figures_.first_choices[a.slo + " " + plan.steps.front().option][kRouter];
    if (!best.steps.empty()) ++figures_.first_choices[a.slo + " " + best.steps.front().option][kPlanner];
    figures_.explored += plan.explored, figures_.panicked += plan.panic;
    for (Regret* r : {&figures_.expected, &figures_.by_slo[a.slo]}) r->router += mine.loss, r->planner += best.value.loss;
    figures_.by_hour[fmt::format("{:03} {}", static_cast<int>(world_.hour(a.at_ms)), a.slo)] += mine.loss - best.value.loss;
    figures_.realised.router += router.loss, figures_.realised.planner += planner.loss;
    figures_.needless_risks += mine.on_time < scale.percentile && best.value.on_time >= scale.percentile;
    HourCount& hour = hours_[{a.slo, static_cast<int>(world_.hour(a.at_ms))}];
    ++hour.requests;
    hour.expected += planners_on_time;
    SloFigures& s = figures_.slos[a.slo];
    ++s.requests;
    for (const auto& [who, lived] : {std::pair{kRouter, &router}, {kPlanner, &planner}}) {
      hour.on_time[who] += lived->on_time;
      s.late[who] += lived->answered && !lived->on_time, s.unanswered[who] += !lived->answered, s.wrong[who] += lived->answered && !lived->right;
      s.usd[who] += lived->usd;
    }
    const double today = usd_of(router_.spending().totals(slo.name, world_.at(a.at_ms).unix_ms).all_musd());
    figures_.most_usd_a_day_of_cap = std::max(figures_.most_usd_a_day_of_cap, today / slo.cost.per_day_usd);
    log_ += fmt::format("{} {} {:.9g}\n", a.id, plan.why, router.loss);
  }

  void finish_hours() {
    for (const auto& [key, h] : hours_) {
      const double promised = router_.slo(key.first).latency.percentile * h.requests;
      const bool router = h.on_time[kRouter] < promised, planner = h.on_time[kPlanner] < promised;
      figures_.breached_hours[kRouter] += router, figures_.breached_hours[kPlanner] += planner;
      figures_.avoidable_hours += router && !planner && h.expected >= promised;
    }
  }

  World world_;
  Router router_;
  BruteForcePlanner planner_;
  SpendBook planners_money_;
  std::vector<Arrival> arrivals_;
  std::multimap<std::int64_t, std::function<void()>> pending_;
  std::map<std::pair<std::string, int>, HourCount> hours_;
  std::string log_;
  Figures figures_;
};

}  // namespace

Figures simulate(const Extent& extent, std::uint64_t seed) { return Simulation(extent, seed).run(); }

std::string report(const Figures& f) {
  std::string out = fmt::format("{} requests, {} attempts, {} explored, {} panicked, {} degraded\n", f.requests, f.attempts, f.explored, f.panicked, f.degraded);
  out += fmt::format("regret: expected {:.3f} %, realised {:.3f} % (planner's losses {:.1f} and {:.1f})\n", 100 * f.expected.share(), 100 * f.realised.share(), f.expected.planner, f.realised.planner);
  for (const auto& [name, r] : f.by_slo) {
    const SloFigures& s = f.slos.at(name);
    out += fmt::format("  {:<10} {} requests, expected regret {:.3f} %; router / planner: late {} / {}, unanswered {} / {}, wrong {} / {}, USD {:.2f} / {:.2f}\n", name, s.requests, 100 * r.share(),
                       s.late[0], s.late[1], s.unanswered[0], s.unanswered[1], s.wrong[0], s.wrong[1], s.usd[0], s.usd[1]);
  }
  for (const auto& [choice, times] : f.first_choices) out += fmt::format("  first choice {:<28} router {:>6}, planner {:>6}\n", choice, times[0], times[1]);
  out += fmt::format("hours of an SLO below its promise: router {}, planner {}, avoidable without luck {}\n", f.breached_hours[0], f.breached_hours[1], f.avoidable_hours);
  out += fmt::format("requests planned below the promise though a plan kept it: {}\n", f.needless_risks);
  out += fmt::format("breakers: opened {} times, {} probes, {} calls while open; calls after a shutdown {}\n", f.breakers_opened, f.probes, f.calls_while_open, f.shut_down_calls);
  out += fmt::format("largest spending of a day: {:.4f} of its cap\ndigest {}\n", f.most_usd_a_day_of_cap, f.digest);
  return out;
}

}  // namespace safelight::simulation
