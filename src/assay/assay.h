// The assay: injects faults with known truth into a model, lets the diagnosis look at the runs, and writes down what it says.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "assay/plan.h"
#include "assay/record.h"
#include "engine/facade/engine.h"

namespace safelight {

struct AssayOptions {
  AssayPlan plan;
  std::filesystem::path out;          // plan.json, runs-I-of-N.jsonl; scratch runs are removed again
  double budget_min = 0;              // minutes after which no further run is begun; 0: no limit
  std::function<void(int done, int total, const std::string& what)> progress;
  std::function<bool()> stop;
};

struct AssayProgress {
  int done = 0, total = 0;            // runs of this shard, those of earlier calls included
};

// Goes on where an earlier call with the same plan stopped. One line per finished run is appended, so a killed process loses only the
// run it was at. Each run has an engine of its own, whose models carry the fault, so that reruns carry it too.
// Throws Error(invalid_argument) for a plan that cannot be, Error(conflict) when `out` holds another plan's runs.
AssayProgress run_assay(const EngineSettings& settings, const AssayOptions& options);

// One planned run in `scratch`, which is emptied before and after. `healthy` runs the twin without the fault and lends its settings.
AssayRecord assay_one(Engine& healthy, const PlannedRun& planned, int counterfactuals, const std::filesystem::path& scratch);

// Engine settings with the fault in the model that stands in `directory`; other models, which a rerun may swap in, stay healthy.
EngineSettings with_fault(EngineSettings settings, const std::filesystem::path& directory, const Injection& injection);

}  // namespace safelight
