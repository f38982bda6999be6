// Runs a grid of settings, one stored run with its verdict per cell, through an injected runner; goes on where it was stopped.
#pragma once

#include <functional>
#include <optional>

#include "insight/sweeps/sweep_store.h"

namespace safelight {

// Runs cells. Implemented where the engine and diagnosis meet.
class CellRunner {
 public:
  virtual ~CellRunner() = default;
  // The setting with the model's recommendations and directory put in. Throws Error for an unknown name.
  virtual OperatingPoint settle(const GenerateRequest& shared, const OperatingPoint& asked) = 0;

  struct Outcome {
    Verdict verdict;
    std::optional<double> adherence;   // 0..1, see CellRecord
    std::int64_t evaluations = 0;
  };
  // Runs and diagnoses one cell into `directory`. Throws Error(cancelled) to stop the sweep; any other Error fails this cell alone.
  virtual Outcome run(const GenerateRequest& shared, const OperatingPoint& point, std::uint64_t seed, const std::filesystem::path& directory) = 0;
};

struct SweepProgress {
  int done = 0, total = 0, failed = 0;
  double seconds_left = 0;
  std::string cell;              // name of the setting that is run next
};

struct SweepCalls {
  std::function<void(const SweepProgress&)> progress;
  std::function<void(const std::string&)> complain;   // once for every cell that fails
};

// Returns the report (sweep_report.h), also written to <directory>/report.json. A second call with the same settings runs
// what is missing and gives the same report, times apart. Throws Error before anything is run for a bad setting.
Json run_sweep(const SweepSpec& spec, const std::filesystem::path& directory, CellRunner& runner, const SweepCalls& calls);

}  // namespace safelight
