#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/api/json.h"
#include "insight/diagnosis/artifact.h"
#include "insight/diagnosis/diagnose.h"

namespace safelight {
namespace {

struct Treatment {
  std::string name, subsystem, trigger;
  Interventions change;        // the run's own interventions with exactly one thing changed
  bool restartable = false;    // the change takes effect only from `from_step` on
  int from_step = 0;
};

struct Recommendation {
  int steps = 0;
  double guidance = 0;
  std::string solver;
};

Recommendation recommendation(const TraceReader& t) {
  const Json& r = t.run().contains("recommended") ? t.run()["recommended"] : Json::object();
  return {r.value("steps", 0), r.value("guidance", 0.0), r.value("solver", std::string())};
}

// The one change that tests a finding's hypothesis; empty name when there is none to make.
Treatment treatment_for(const Finding& f, const TraceReader& trace, const Interventions& own) {
  const Recommendation good = recommendation(trace);
  const Json& resolved = trace.run()["resolved"];
  Treatment t{.name = "", .subsystem = f.subsystem, .trigger = f.subsystem, .change = own};
  t.change.restart.reset();
  if (f.cause == "guidance-burn" && good.guidance > 0 && resolved.value("guidance", 0.0) != good.guidance) {
    t.change.guidance = good.guidance;
    t.name = fmt::format("guidance {:.3g}", good.guidance);
  } else if (f.cause == "too-few-steps" && good.steps > resolved.value("steps", 0)) {
    t.change.steps = good.steps;
    t.name = fmt::format("{} steps", good.steps);
  } else if (f.cause.rfind("attention", 0) == 0 && !own.attention.empty()) {
    t.change.attention.clear();
    t.name = "attention unscaled";
    t.restartable = true;
    t.from_step = std::max(0, f.first_step - 1);
  } else if (f.cause == "channel-drift" && !own.latents.empty()) {
    t.change.latents.clear();
    t.name = "latent channel not pushed";
    t.restartable = true;
    t.from_step = std::max(0, f.first_step - 1);
  } else if (f.cause == "prediction-type" && !f.evidence.empty()) {
    t.change.prediction = f.evidence.front().note;
    t.name = "prediction type " + f.evidence.front().note;
  } else if (f.cause == "decoder-mismatch" || f.cause == "non-finite") {
    t.change.decoder = DecoderChange{.kind = "float32", .path = ""};
    t.name = "float32 decode";
  }
  return t;
}

double score_of(const std::filesystem::path& run, const Baseline& baseline) { return overall(artifact_scores(TraceReader(run), baseline)); }

std::vector<float> latent_of(const std::filesystem::path& run) { return TraceReader(run).final_latent().values; }

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double d = 0, s = 1e-12;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) d += (a[i] - b[i]) * (a[i] - b[i]), s += static_cast<double>(a[i]) * a[i];
  return std::sqrt(d / s);
}

// The last stored restart point at or before the step at which the change begins to matter.
void restart_where_enough(Treatment& t, const TraceReader& trace) {
  if (!t.restartable) return;
  int best = 0;
  for (const int done : trace.restart_steps())
    if (done <= t.from_step && done > best) best = done;
  if (best > 0) t.change.restart = RestartPoint{std::filesystem::absolute(trace.directory()).string(), best};
}

// A change without a theory: the initial noise is rotated by as much as the treatment moved the final latent.
Interventions sham_of(const Interventions& own, double size) {
  Interventions sham = own;
  sham.restart.reset();
  sham.sham = Sham{size, 1};
  return sham;
}

struct Series {
  Counterfactual result;
  int spent = 0;
};

Series test(const Treatment& t, const TraceReader& trace, const Baseline& baseline, Experiment& experiment, const Interventions& own,
            const DiagnoseOptions& options, const DiagnoseProgress& progress) {
  Series s;
  s.result = {.change = t.name, .subsystem = t.subsystem, .trigger = t.trigger, .interventions = t.change};
  const auto seed = trace.run()["resolved"].value("seed", std::uint64_t{0});
  double ms_before = trace.run().value("total_ms", 0.0), ms_after = 0;
  for (int k = 0; k < options.seeds; ++k) {
    const auto at = [&](const Interventions& base, bool own_seed) {
      Interventions i = base;
      if (!own_seed) {
        i.seed = seed + static_cast<std::uint64_t>(k);
        i.restart.reset();  // a restart point belongs to one seed
      }
      return i;
    };
    if (progress) progress("testing " + t.name, static_cast<double>(k) / options.seeds);
    std::filesystem::path before = trace.directory();
    if (k > 0) before = experiment.rerun(trace, at(own, false)).run, ++s.spent;
    const auto after = experiment.rerun(trace, at(t.change, k == 0));
    ++s.spent;
    if (k == 0) ms_after = after.ms;
    const double moved = distance(latent_of(before), latent_of(after.run));
    Interventions sham = at(sham_of(own, std::clamp(moved, 0.05, 1.0)), false);
    const auto shammed = experiment.rerun(trace, sham);
    ++s.spent;
    s.result.runs.push_back(after.run.string());
    s.result.sham_runs.push_back(shammed.run.string());
    s.result.before.push_back(score_of(before, baseline));
    s.result.after.push_back(score_of(after.run, baseline));
    s.result.sham.push_back(score_of(shammed.run, baseline));
  }
  if (ms_before > 0 && ms_after > 0) s.result.cost_ratio = ms_after / ms_before;
  // Of the seeds that were bad, a cure heals at least two thirds, and the sham at most half as many.
  int bad = 0, healed = 0, by_sham = 0;
  for (std::size_t k = 0; k < s.result.before.size(); ++k) {
    if (s.result.before[k] <= kHealthyScore) continue;
    ++bad;
    healed += s.result.after[k] <= kHealthyScore;
    by_sham += s.result.sham[k] <= kHealthyScore;
  }
  s.result.cures = bad >= 2 && healed * 3 >= bad * 2 && by_sham * 2 <= healed;
  return s;
}

}  // namespace

void bisect(const TraceReader& trace, const Baseline& baseline, Experiment& experiment, const std::vector<Finding>& suspects,
            const DiagnoseOptions& options, const DiagnoseProgress& progress, Verdict& verdict) {
  const Interventions own = interventions_from_json(trace.run().value("interventions", Json::object()));
  int left = options.counterfactuals;
  std::vector<std::string> tried;
  for (const Finding& f : suspects) {
    Treatment t = treatment_for(f, trace, own);
    if (t.name.empty() || std::find(tried.begin(), tried.end(), t.name) != tried.end()) continue;
    DiagnoseOptions within = options;
    within.seeds = std::min(options.seeds, (left + 1) / 3);
    if (within.seeds < 1) {
      verdict.notes.push_back("the budget of reruns is spent");
      return;
    }
    tried.push_back(t.name);
    restart_where_enough(t, trace);
    const Series s = test(t, trace, baseline, experiment, own, within, progress);
    left -= s.spent;
    verdict.counterfactuals.push_back(s.result);
    if (s.result.cures) return;
  }
}

}  // namespace safelight
