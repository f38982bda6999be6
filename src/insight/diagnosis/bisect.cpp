#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/api/json.h"
#include "insight/diagnosis/colour_shift.h"
#include "insight/diagnosis/diagnose.h"
#include "insight/diagnosis/treatments.h"

namespace safelight {
namespace {

// The last stored restart point at or before the step at which the change begins to matter.
void restart_where_enough(Treatment& t, const TraceReader& trace) {
  if (t.from_step < 0) return;
  int best = 0;
  for (const int done : trace.restart_steps())
    if (done <= t.from_step && done > best) best = done;
  if (best > 0) t.change.restart = RestartPoint{std::filesystem::absolute(trace.directory()).string(), best};
}

// One-sided Fisher's exact test (Fisher 1922): the chance that so few of the treated runs are bad if treatment changed
// nothing. The hypergeometric tail, in logarithms of factorials.
double fisher(int treated_bad, int treated, int other_bad, int other) {
  const auto choose = [](int n, int k) { return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0); };
  const int bad = treated_bad + other_bad, all = treated + other;
  double p = 0;
  for (int k = std::max(0, bad - other); k <= treated_bad; ++k) p += std::exp(choose(bad, k) + choose(all - bad, treated - k) - choose(all, treated));
  return std::min(p, 1.0);
}

int bad_of(const std::vector<double>& scores, double healthy) {
  return static_cast<int>(std::count_if(scores.begin(), scores.end(), [&](double s) { return s > healthy; }));
}

// Treated runs are healthy nearly always, and significantly more often than the runs as they were and under the sham
// taken together. Looking again after each seed asks for the stricter level.
constexpr double kLevel = 0.025, kLevelAtEnd = 0.05;

void judge(Counterfactual& c, double healthy, bool last) {
  const int bad = bad_of(c.after, healthy), n = static_cast<int>(c.after.size()), before = bad_of(c.before, healthy), sham = bad_of(c.sham, healthy);
  c.p_value = fisher(bad, n, before + sham, 2 * n);
  c.cures = n >= 3 && bad * 4 <= n && sham > bad && c.p_value <= (last ? kLevelAtEnd : kLevel);
}

struct Tested {
  Counterfactual result;
  int spent = 0;
};

Tested test(const Treatment& t, const TraceReader& trace, const Judge& by, const std::vector<std::vector<double>>& channel_to_rgb, Experiment& experiment,
            const Interventions& own, const DiagnoseOptions& options, const DiagnoseProgress& progress) {
  Tested s;
  s.result = {.change = t.name, .subsystem = t.subsystem, .trigger = t.trigger, .interventions = t.change};
  const auto seed = trace.run()["resolved"].value("seed", std::uint64_t{0});
  const auto rerun = [&](const Interventions& change) { return ++s.spent, experiment.rerun(trace, change); };
  const double ms_before = trace.run().value("total_ms", 0.0);
  double gain = 1;  // size of a sham / how far it moves the final latent
  for (int k = 0; k < options.seeds && !s.result.cures; ++k) {
    const auto at = [&](const Interventions& base) {
      Interventions i = base;
      if (k > 0) {
        i.seed = seed + static_cast<std::uint64_t>(k);
        i.restart.reset();  // a restart point belongs to one seed
      }
      return i;
    };
    if (progress) progress("testing " + t.name, static_cast<double>(k) / options.seeds);
    const std::filesystem::path before = k > 0 ? rerun(at(own)).run : trace.directory();
    const auto after = rerun(at(t.change));
    if (k == 0 && ms_before > 0) s.result.cost_ratio = after.ms / ms_before;
    if (k == 0 && t.shifts_colour)
      if (const auto shift = colour_shift(TraceReader(after.run), trace, channel_to_rgb)) {
        s.result.predicted_shift.assign(shift->predicted.begin(), shift->predicted.end());
        s.result.measured_shift.assign(shift->measured.begin(), shift->measured.end());
      }
    const double moved = latent_move(TraceReader(before), TraceReader(after.run));
    const double target = std::isfinite(moved) ? std::clamp(moved, 0.05, 1.5) : 1.0;
    double size = std::clamp(target * gain, 0.02, 1.0);
    auto shammed = rerun(at(sham_of(own, size)));
    if (k == 0) {  // one secant step towards a sham that moves the latent as far as the treatment does
      const double got = latent_move(TraceReader(before), TraceReader(shammed.run));
      if (std::isfinite(got) && got > 1e-6) gain = size / got;
      const double better = std::clamp(target * gain, 0.02, 1.0);
      if (std::abs(better - size) > 0.25 * size) shammed = rerun(at(sham_of(own, better)));
    }
    s.result.runs.push_back(after.run.string());
    s.result.sham_runs.push_back(shammed.run.string());
    s.result.before.push_back(by.score(TraceReader(before)));
    s.result.after.push_back(by.score(TraceReader(after.run)));
    s.result.sham.push_back(by.score(TraceReader(shammed.run)));
    judge(s.result, by.healthy, k + 1 == options.seeds);
  }
  return s;
}

}  // namespace

void bisect(const TraceReader& trace, const Judge& judge, const std::vector<std::vector<double>>& channel_to_rgb, Experiment& experiment,
            std::vector<Treatment> treatments, int budget, const DiagnoseOptions& options, const DiagnoseProgress& progress, Verdict& verdict) {
  const Interventions own = interventions_from_json(trace.run().value("interventions", Json::object()));
  std::vector<std::string> tried;
  for (Treatment& t : treatments) {
    if (std::find(tried.begin(), tried.end(), t.name) != tried.end()) continue;
    DiagnoseOptions within = options;
    within.seeds = std::min(options.seeds, budget / 3);
    if (within.seeds < 1) {
      verdict.notes.push_back("the budget of reruns is spent");
      return;
    }
    tried.push_back(t.name);
    restart_where_enough(t, trace);
    const Tested s = test(t, trace, judge, channel_to_rgb, experiment, own, within, progress);
    budget -= s.spent;
    verdict.counterfactuals.push_back(s.result);
    if (s.result.cures) return;
  }
}

}  // namespace safelight
