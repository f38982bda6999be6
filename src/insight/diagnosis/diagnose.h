// From a trace to a verdict: checks, scores, findings, order, counterfactual reruns, the sentence.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "common/base/error.h"
#include "insight/diagnosis/detector.h"
#include "insight/diagnosis/experiment.h"

namespace safelight {

struct DiagnoseOptions {
  int counterfactuals = 25;   // reruns that may be spent; 0: observe only
  int seeds = 8;              // at most, per change that is tested
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

// Tests the suspects by counterfactual reruns on several seeds beside a sham; fills verdict.counterfactuals and stops at
// the first cure or when the budget is spent.
void bisect(const TraceReader& trace, const Baseline& baseline, Experiment& experiment, const std::vector<Finding>& suspects,
            const DiagnoseOptions& options, const DiagnoseProgress& progress, Verdict& verdict);

}  // namespace safelight
