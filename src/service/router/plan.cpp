#include "service/router/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "service/router/ladder.h"

namespace safelight {
namespace {

// One way to make the picture, with what the decision needs to know of it.
struct Candidate {
  RouteStep step;
  StepOutlook outlook;
  OptionOutlook measured;
  double alone = 0;        // loss of a plan of it alone
};

struct Chosen {
  std::vector<const Candidate*> steps;
  PlanValue value;
};

class Planner {
 public:
  Planner(const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now, const RoutePolicy& policy)
      : request_(request), slo_(slo), state_(state), now_(now), policy_(policy), scale_(loss_scale(slo, request.profile.mode)) {
    scale_.cap_usd *= request.image.count;
    if (request.image.deadline_ms > 0) scale_.deadline_ms = std::min(scale_.deadline_ms, static_cast<double>(request.image.deadline_ms));
    scale_.limit_ms = std::min(scale_.limit_ms, scale_.deadline_ms);
  }

  RoutePlan run(bool calm) {
    if (!request_.image.model.empty()) state_.catalogue.row(request_.image.model);  // an unknown one is refused
    plan_.profile = request_.profile;
    plan_.slo = slo_.name;
    plan_.limit_ms = scale_.limit_ms;
    plan_.deadline_ms = scale_.deadline_ms;
    plan_.after_ambiguous = scale_.after_ambiguous;
    plan_.on_refusal = slo_.fallback.on_refusal;
    look_at_rows();
    const Chosen chosen = firsts_.empty() ? without_first() : best(calm);
    write(chosen);
    return std::move(plan_);
  }

 private:
  double queue_of(const ModelRow& row) const {
    const auto it = request_.queue_ms.find(row.id);
    return it == request_.queue_ms.end() ? 0 : it->second;
  }

  Candidate candidate(const Descent& d, double usd) const {
    Candidate c;
    RouteStep& s = c.step;
    s.row = d.row ? d.row->id : "", s.option = d.option, s.steps_share = d.steps_share;
    s.width_px = d.width_px, s.height_px = d.height_px, s.upscaler = d.upscaler;
    if (!d.row) {          // a picture that exists: at once, for nothing, of unknown quality
      static const LatencyTable at_once = LatencyTable::lognormal(1, 0.1);
      c.outlook.latency.add(at_once, 1);
      return c;
    }
    const BreakerState breaker = state_.health.state(d.row->id, now_.steady_ms);
    const OptionOutlook o = state_.statistics.outlook({d.option, d.row, d.work}, request_.profile.task, now_.steady_ms, breaker == BreakerState::half_open);
    s.usd = usd, s.free = !(usd > 0), s.queue_ms = queue_of(*d.row), s.answers = o.answers, s.quality = o.quality, s.quality_measured = o.quality_measured;
    s.p50_ms = o.latency.quantile(0.5), s.sure_ms = o.latency.quantile(0.99), s.slo_ms = o.latency.quantile(slo_.latency.percentile);
    c.measured = o;
    c.outlook = {o.latency, s.p50_ms, s.sure_ms, s.queue_ms, o.answers, o.failure_ms, usd, o.quality};
    const StepOutlook* alone[] = {&c.outlook};
    c.alone = value_of(alone, scale_).loss;
    return c;
  }

  void drop(const std::string& row, const Ineligible& reason) { reasons_.insert_or_assign(row, reason); }

  // Sorts the rows into those that may be the first choice, those that only a rung of the ladder may name, and the dropped ones.
  void look_at_rows() {
    std::vector<const ModelRow*> panicking;
    for (const ModelRow& row : state_.catalogue.rows()) {
      const auto problem = unusable(row, request_, slo_, state_, now_);
      if (!problem) consider(row);
      else drop(row.id, *problem);
      if (problem && problem->may_panic) panicking.push_back(&row);
    }
    if (!firsts_.empty() || !usable_.empty() || panicking.empty()) return sort();
    plan_.panic = true;
    for (const ModelRow* row : panicking) consider(*row);
    sort();
  }

  void consider(const ModelRow& row) {
    Candidate c = candidate({.row = &row, .option = row.id, .upscaler = {}}, *request_usd(row, request_.image));
    auto problem = unfit(c.measured, c.step.queue_ms, scale_.limit_ms, request_.profile, slo_);
    if (!problem && !asked_for(row)) problem = Ineligible{"not_asked_for", "the request names another model", false};
    if (problem) drop(row.id, *problem);
    usable_.push_back(&row);
    if (!problem) firsts_.push_back(std::move(c));
  }

  bool asked_for(const ModelRow& row) const {
    const std::string& id = request_.image.model;
    if (id.empty() || id == row.id) return true;
    const ModelRow* asked = state_.catalogue.find(id);
    const bool successor = slo_.fallback.successor && asked && asked->successor == row.id;
    return successor && unusable(*asked, request_, slo_, state_, now_);
  }

  void sort() {
    std::stable_sort(firsts_.begin(), firsts_.end(), [](const Candidate& a, const Candidate& b) { return a.alone < b.alone; });
  }

  bool usable(const ModelRow& row) const { return std::find(usable_.begin(), usable_.end(), &row) != usable_.end(); }

  // The steps that the ladder adds to a first choice. `second`: the row that next-provider names first.
  std::vector<const Candidate*> sequence(const Candidate& first, const Candidate* second) {
    std::vector<const Candidate*> out = {&first};
    if (request_.pinned) return out;
    const ModelRow& row = state_.catalogue.row(first.step.row);
    std::vector<const ModelRow*> others;
    if (second) others.push_back(&state_.catalogue.row(second->step.row));
    for (const Candidate& c : firsts_)
      if (&c != &first && &c != second) others.push_back(&state_.catalogue.row(c.step.row));
    const LadderContext context{state_.catalogue, request_.profile, request_.image, request_.has_preview, others};
    for (const LadderStep& rung : slo_.ladder)
      for (const Descent& d : find_rung(rung.rung)->descend(rung, row, context)) add(out, d, rung);
    return out;
  }

  void add(std::vector<const Candidate*>& steps, const Descent& d, const LadderStep& rung) {
    if (steps.size() >= static_cast<std::size_t>(slo_.fallback.attempts)) return;
    for (const Candidate* c : steps)
      if (c->step.option == d.option) return;
    if (d.row && !usable(*d.row)) return;
    const auto [it, fresh] = reduced_.try_emplace(rung.rung + " " + d.option);
    if (fresh) {
      it->second = candidate(d, d.row ? request_usd(*d.row, request_.image, d.width_px, d.height_px).value_or(1e9) : 0);
      it->second.step.rung = rung.rung;
      it->second.step.when = rung.when.empty() ? std::vector<std::string>(std::begin(kTriggers), std::end(kTriggers)) : rung.when;
    }
    if (it->second.step.usd <= slo_.cost.per_image_usd * request_.image.count) steps.push_back(&it->second);
  }

  // The promise comes first: among the plans that keep it the one with the least loss; if none does, the one that is most often on time.
  bool better(const PlanValue& a, const PlanValue& b) const {
    const bool a_keeps = a.on_time >= scale_.percentile, b_keeps = b.on_time >= scale_.percentile;
    if (a_keeps != b_keeps) return a_keeps;
    return a_keeps ? a.loss < b.loss : a.on_time > b.on_time;
  }

  Chosen best_from(const Candidate& first) {
    Chosen out;
    for (std::size_t k = 0; k == 0 || k < firsts_.size(); ++k) {
      const Candidate* second = firsts_.size() > 1 ? &firsts_[k] : nullptr;
      if (second == &first) continue;
      std::vector<const Candidate*> steps = sequence(first, second);
      const PlanValue value = value_of(outlooks(steps), scale_);
      if (out.steps.empty() || better(value, out.value)) out = {std::move(steps), value};
    }
    return out;
  }

  static std::vector<const StepOutlook*> outlooks(const std::vector<const Candidate*>& steps) {
    std::vector<const StepOutlook*> out;
    for (const Candidate* c : steps) out.push_back(&c->outlook);
    return out;
  }

  Chosen best(bool calm) {
    Chosen best;
    std::vector<Chosen> little_known;
    for (const Candidate& first : firsts_) {
      Chosen c = best_from(first);
      if (first.measured.samples < policy_.stale_samples && c.value.on_time >= scale_.percentile && promising(first)) little_known.push_back(c);
      if (best.steps.empty() || better(c.value, best.value)) best = std::move(c);
    }
    std::erase_if(little_known, [&](const Chosen& c) { return c.steps.front() == best.steps.front(); });
    const double draw = chance(policy_.seed, request_.id);
    if (!calm || little_known.empty() || draw >= policy_.explore) return best;
    plan_.explored = true;
    return little_known[static_cast<std::size_t>(draw / policy_.explore * static_cast<double>(little_known.size()))];
  }

  bool promising(const Candidate& c) const {
    StepOutlook hoped = c.outlook;
    hoped.latency = hoped.latency.scaled(policy_.optimism);
    hoped.answers = 1;
    const StepOutlook* alone[] = {&hoped};
    return value_of(alone, scale_).loss < firsts_.front().alone;
  }

  // No row may be the first choice: what the ladder has for the rows that could be called at all, or without any.
  Chosen without_first() {
    std::vector<Candidate> bases;
    for (const ModelRow* row : usable_) bases.push_back(candidate({.row = row, .option = row->id, .upscaler = {}}, *request_usd(*row, request_.image)));
    if (bases.empty() && !state_.catalogue.rows().empty())  // a row to start from, though it is not called
      bases.emplace_back().step.row = state_.catalogue.rows().front().id;
    Chosen out;
    for (const Candidate& base : bases) {
      std::vector<const Candidate*> steps = sequence(base, nullptr);
      steps.erase(steps.begin());
      if (steps.empty()) continue;
      const PlanValue value = value_of(outlooks(steps), scale_);
      if (out.steps.empty() || better(value, out.value)) out = {std::move(steps), value};
    }
    return out;
  }

  void write(const Chosen& chosen) {
    plan_.value = chosen.value;
    const auto steps = outlooks(chosen.steps);
    for (std::size_t i = 0; i < chosen.steps.size(); ++i) {
      RouteStep s = chosen.steps[i]->step;
      s.reserve_ms = reserve_ms(steps, i, scale_.after_ambiguous);
      s.why = sentence(*chosen.steps[i]);
      plan_.steps.push_back(std::move(s));
    }
    for (const ModelRow& row : state_.catalogue.rows()) {
      if (std::any_of(plan_.steps.begin(), plan_.steps.end(), [&](const RouteStep& s) { return s.row == row.id; })) continue;
      const auto it = reasons_.find(row.id);
      if (it != reasons_.end()) plan_.dropped.push_back({row.id, it->second.code, it->second.reason});
      else plan_.dropped.push_back({row.id, "not_needed", not_needed(row)});
    }
    plan_.why = why(chosen);
  }

  std::string sentence(const Candidate& c) const {
    const RouteStep& s = c.step;
    if (s.row.empty()) return "a picture of this request that exists already";
    return fmt::format("{}: {:.4f} USD, {:.1f} s in half of the calls and {:.1f} s in {:.4g} % of them{}, {} right for '{}', answers {:.1f} % of the calls",
                       s.rung.empty() ? "first choice" : s.rung, s.usd, s.p50_ms / 1e3, s.slo_ms / 1e3, 100 * slo_.latency.percentile,
                       s.queue_ms > 0 ? fmt::format(" after {:.1f} s in its queue", s.queue_ms / 1e3) : "",
                       s.quality_measured ? fmt::format("{:.1f} %", 100 * s.quality) : "an unknown share", request_.profile.task, 100 * s.answers);
  }

  std::string not_needed(const ModelRow& row) const {
    for (const Candidate& c : firsts_)
      if (c.step.row == row.id) return fmt::format("eligible, but by itself its expected loss is {:.3f}, and the steps before it suffice", c.alone);
    return "no rung of the ladder leads to it";
  }

  std::string why(const Chosen& chosen) const {
    if (chosen.steps.empty()) return "no row may be called and no rung of the ladder helps; see the reasons";
    const std::string& id = chosen.steps.front()->step.option;
    if (firsts_.empty()) return "no row may be the first choice; '" + id + "' is what the ladder has left";
    std::string text = fmt::format("'{}' has the least expected loss of {} eligible rows in mode {} ({:.3f}: {:.4f} USD, on time with {:.1f} %)", id, firsts_.size(),
                                   name(request_.profile.mode), chosen.value.loss, chosen.value.usd, 100 * chosen.value.on_time);
    if (plan_.explored) text = "'" + id + "' is tried because little is known of it";
    else if (chosen.value.on_time < scale_.percentile) text = fmt::format("no plan keeps the promised {:.4g} % on time; '{}' is most often on time ({:.1f} %)", 100 * scale_.percentile, id, 100 * chosen.value.on_time);
    if (plan_.panic) text += "; every row looks down, so they are tried all the same";
    return text;
  }

  const RouteRequest& request_;
  const Slo& slo_;
  const RouterState& state_;
  const Moment& now_;
  const RoutePolicy& policy_;
  LossScale scale_;
  RoutePlan plan_;
  std::vector<Candidate> firsts_;              // by their loss alone
  std::vector<const ModelRow*> usable_;
  std::map<std::string, Candidate> reduced_;   // by rung and option
  std::map<std::string, Ineligible> reasons_;
};

}  // namespace

RoutePlan make_plan(const RouteRequest& request, const Slo& slo, const RouterState& state, const Moment& now, const RoutePolicy& policy, bool calm) {
  return Planner(request, slo, state, now, policy).run(calm);
}

}  // namespace safelight
