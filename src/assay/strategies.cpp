#include "assay/strategies.h"

#include <algorithm>
#include <cmath>

#include "assay/record.h"
#include "common/api/json.h"
#include "common/base/error.h"
#include "insight/diagnosis/artifact.h"
#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

// The largest value of a scalar series; NaN where there is none.
double highest(const TraceReader& trace, const char* series) {
  double top = std::nan("");
  if (!trace.has(series)) return top;
  for (const double v : trace.scalar(series))
    if (std::isfinite(v)) top = std::isfinite(top) ? std::max(top, v) : v;
  return top;
}

bool has_entries(const TraceReader& trace, const char* group, const char* key) {
  const Json& run = trace.run();
  return run.contains("facts") && run["facts"].contains(group) && !run["facts"][group].value(key, Json::array()).empty();
}

double score_of(const TraceReader& trace, const Baseline& baseline) { return overall(artifact_scores(trace, baseline)); }

struct Swap {
  const char* subsystem;
  void (*change)(Interventions&, const Json& recommended);
};
constexpr Swap kSwaps[] = {
    {"guidance", [](Interventions& i, const Json& r) { i.guidance = r.value("guidance", 7.5); }},
    {"scheduler", [](Interventions& i, const Json&) { i.scheduler = "euler"; }},
    {"scheduler", [](Interventions& i, const Json& r) { i.steps = 2 * r.value("steps", 25); }},
    {"decoder", [](Interventions& i, const Json&) { i.decoder = DecoderChange{.kind = "float32", .path = ""}; }},
    {"decoder", [](Interventions& i, const Json&) { i.decoder = DecoderChange{.kind = "linear", .path = ""}; }},
    {"configuration", [](Interventions& i, const Json&) { i.prediction = "v_prediction"; }},
    {"denoiser", [](Interventions& i, const Json&) { i.seed = 4711; }},
};

}  // namespace

std::string fixed_thresholds(const TraceReader& trace) {
  if (has_entries(trace, "text", "truncated") || has_entries(trace, "text", "unknown_words")) return "prompt";
  if (highest(trace, "numerics.nonfinite") > 0) return "denoiser";
  if (highest(trace, "guidance.scale") > 10) return "guidance";
  if (trace.steps_done() < 8) return "scheduler";
  if (fact(trace, "decoder", "linear_psnr_db") < 15) return "decoder";
  if (highest(trace, "attention.logit_std") > 5 || highest(trace, "attention.logit_std") < 0.2) return "cross-attention";
  if (highest(trace, "guidance.delta_ratio") > 1) return "guidance";
  return kHealthy;
}

BlindAnswer blind_swapping(const TraceReader& trace, const Baseline& baseline, Experiment& experiment, int budget) {
  if (score_of(trace, baseline) <= kHealthyScore) return {.said = kHealthy};
  const Interventions own = interventions_from_json(trace.run().value("interventions", Json::object()));
  BlindAnswer answer{.said = kUndetermined};
  for (const Swap& swap : kSwaps) {
    if (answer.reruns >= budget) break;
    Interventions change = own;
    swap.change(change, trace.run().value("recommended", Json::object()));
    ++answer.reruns;
    try {
      if (score_of(TraceReader(experiment.rerun(trace, change).run), baseline) > kHealthyScore) continue;
    } catch (const Error&) {
      continue;  // a swap that cannot be made cures nothing
    }
    answer.said = swap.subsystem;
    break;
  }
  return answer;
}

}  // namespace safelight
