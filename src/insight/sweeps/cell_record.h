// What one cell of a sweep came to: what was executed, the checks, the verdict in short, the cost.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "common/trace/trace.h"
#include "insight/sweeps/sweep_plan.h"

namespace safelight {

// What was executed, as the run's own record tells it.
struct Executed {
  std::string directory;     // of the model
  std::string model_hash;    // SHA-256 over component and SHA-256 of every weight file
  std::string decoder, scheduler;
  int steps = 0;             // that were done
  double guidance = 0;
  std::uint64_t seed = 0;
};
// Throws Error(corrupt_file) when the record lacks one of them.
Executed executed_of(const TraceReader& run);
// Throws Error(conflict) that lists every difference from what was asked.
void require_as_asked(const Executed& executed, const OperatingPoint& point, std::uint64_t seed);

struct CellRecord {
  int cell = 0;
  std::string run;                       // directory, relative to the sweep's
  std::string error_code, error;         // of a cell that failed; empty
  Executed executed;
  bool healthy = false, undetermined = false;
  std::string subsystem, cause, trigger, sentence;   // of the verdict
  double severity = 0;                   // 0..1: 1 - exp(-the blamed finding's deviation in half widths); 1 for a failed cell
  std::optional<double> artifact;        // overall artifact score 0..1; absent without a baseline
  std::optional<double> adherence;       // share of the prompt's claims that the picture keeps; absent where none can be read
  std::vector<SanityCheck> checks;       // the three
  std::int64_t evaluations = 0;          // rows that the denoiser computed
  double time_ms = 0, time_denoise_ms = 0;
  bool failed() const { return !error_code.empty(); }
  // 0..1: 1 - (1 - artifact) adherence, with 1 for a failed cell; severity stands in for an absent artifact score.
  double loss() const;
};

// Fills in what the verdict says.
void take_verdict(CellRecord& record, const Verdict& verdict);

Json to_json(const CellRecord& record);
// Throws Error(corrupt_file) naming `where`.
CellRecord cell_record_from_json(const Json& json, const std::string& where);

}  // namespace safelight
