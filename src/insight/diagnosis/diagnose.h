// From a trace to a verdict: checks, scores, findings, order, counterfactual reruns, the sentence.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "common/api/image.h"
#include "common/base/error.h"
#include "common/measure/part_statistics.h"
#include "insight/diagnosis/detector.h"
#include "insight/diagnosis/experiment.h"
#include "insight/diagnosis/treatments.h"

namespace safelight {

// What a person sees: a symptom (of kSymptoms) and where; a region without a size is the whole picture.
struct Looks {
  std::string symptom;
  PixelRegion region;
  std::optional<Image> picture;   // that the person looked at; none: the run's own
};

struct DiagnoseOptions {
  int counterfactuals = 25;   // reruns that may be spent; 0: observe only
  int seeds = 8;              // at most, per change that is tested
  std::optional<Looks> looks; // where a person starts from what they see
  bool unlike_prompt = false; // a person says that the picture does not show what was asked for; looked into where nothing else is found
};

using DiagnoseProgress = std::function<void(const std::string& what, double part)>;

// `experiment` may be null: then nothing is rerun and the verdict says so. Deterministic for equal inputs.
Verdict diagnose(const TraceReader& trace, const Baseline* baseline, Experiment* experiment, const DiagnoseOptions& options,
                 const DiagnoseProgress& progress);

// A run that was refused before it began, in the structure of a verdict.
Verdict refusal(const Error& error);

// What cures a cause, and what usually triggers it.
struct CauseInfo {
  const char* cause;
  const char* trigger;     // empty: the subsystem where it broke
  const char* remedy;
};
const CauseInfo& cause_info(const std::string& cause);   // all fields empty for an unknown cause
std::vector<std::string> cause_names();

// How a finished picture is judged in a test of a change.
struct Judge {
  std::function<double(const TraceReader&)> score;   // 0 healthy .. 1
  double healthy = 0;                                // scores up to this are healthy
};

// Tests the changes by counterfactual reruns on several seeds beside a sham; fills verdict.counterfactuals and stops at
// the first cure or when `budget` reruns are spent. `channel_to_rgb` may be empty: then no shift of colour is predicted.
void bisect(const TraceReader& trace, const Judge& judge, const std::vector<std::vector<double>>& channel_to_rgb, Experiment& experiment,
            std::vector<Treatment> treatments, int budget, const DiagnoseOptions& options, const DiagnoseProgress& progress, Verdict& verdict);

}  // namespace safelight
