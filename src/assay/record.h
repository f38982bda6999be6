// One line of an assay: what was done to a run, and what was said about it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "assay/fault.h"
#include "common/api/verdict.h"
#include "common/base/json.h"

namespace safelight {

inline constexpr const char* kHealthy = "healthy";
inline constexpr const char* kUndetermined = "undetermined";

// A verdict as far as it is scored.
struct Answer {
  std::string said;                // a subsystem, "healthy" or "undetermined"
  std::vector<std::string> ranking;  // the first two subsystems; empty where healthy
  std::string trigger, cause, stage, module;
  int step = -1;
  double confidence = 0;           // 0..1
  int reruns = 0;                  // spent on it
  double seconds = 0;
  std::string failed;              // why the diagnosis itself broke off; empty: it did not
};
Answer answer_of(const Verdict& verdict);

struct AssayRecord {
  std::string id;                  // "000017-fault", unique within a plan
  std::string fault;               // empty: a clean run
  std::string clean_kind;          // of a clean run
  double dose = 0;
  bool added_after_freeze = false;
  // The truth; empty for a clean run.
  std::string subsystem, trigger, stage, module;
  std::vector<std::string> also, causes;
  int step = -1;                   // first step at which the fault acts; -1: it belongs to no step
  std::string prompt, negative;
  std::string refused;             // why the run did not start or broke off; empty: it finished
  // What the referee saw, which no verdict did.
  double pixel_change = -1;        // mean absolute difference from the same run without the fault, 0..255; -1: sizes differ, or no picture
  bool right_before = false, right_after = false;  // whether every claim of the prompt holds in the picture
  Answer observed, proven;         // without and with counterfactual reruns
  std::string fixed_thresholds, blind_swapping;    // answers of the simple strategies
  int blind_reruns = 0;

  bool clean() const { return fault.empty(); }
  // Whether an answer names the truth, or for a clean run "healthy".
  bool right(const std::string& said) const;
};

Json to_json(const AssayRecord& record);
// Throws Error(corrupt_file) naming `where` and every problem.
AssayRecord record_from_json(const Json& json, const std::string& where);

// The whole lines of a file of records; a last line that a killed process left unfinished is skipped. Throws Error(corrupt_file).
std::vector<AssayRecord> read_records(const std::filesystem::path& file);

}  // namespace safelight
