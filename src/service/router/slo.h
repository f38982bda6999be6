// A service-level objective: what is promised for a kind of work, and what may be given up to keep the promise. Read from TOML.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "service/router/failure_modes.h"
#include "service/router/mode.h"

namespace safelight {

struct SloLatency {
  double percentile = 0.95;        // share of requests that are answered within limit_ms
  std::int64_t limit_ms = 30000;
  std::int64_t deadline_ms = 0;    // by when every request is answered or refused; 0: limit_ms
};

struct SloCost {
  double per_image_usd = 0;        // no row that costs more is used; 0: only free ones
  double per_day_usd = 0;          // reserved, booked and possible charges of a day (UTC); 0: only free rows
};

struct SloQuality {
  double floor = 0;                // measured share of right pictures for the task, 0..1
  std::string unmeasured = "refuse";  // rows without a measurement: refuse or allow
};

struct SloErrorBudget {
  double answered = 0.99;          // share of requests that get a picture
  int period_days = 28;            // over which budgets are counted
};

struct SloFallback {
  int attempts = 4;                // steps of a plan, the first included
  bool on_refusal = false;         // another model may be asked what a content policy refused
  std::string after_ambiguous = "free";  // what may follow a call that may have been billed: stop, free, any
  bool successor = false;          // a retired model may be replaced by the one that its vendor names
};

struct SloModels {
  std::vector<std::string> only;   // ids of rows; empty: all
  std::vector<std::string> never;
};

// One way to give less instead of nothing; see ladder_table().
struct LadderStep {
  std::string rung;                // name in ladder_table()
  std::vector<std::string> when;   // deadline, queue, verdict, down; empty: all of them
  double share = 0.5;              // fewer-steps: of the steps; smaller-size: of each side
  std::string model;               // distilled-model, text-encoder: id of the row
  std::string upscaler = "lanczos";  // smaller-size: what brings it back to the size asked for
};

struct Slo {
  std::string name;                // budgets and spending are kept under it
  std::string mode = "faithful";
  SloLatency latency;
  SloCost cost;
  SloQuality quality;
  FailurePolicy failures;
  SloErrorBudget budget;
  SloFallback fallback;
  SloModels models;
  std::vector<LadderStep> ladder;  // in the order in which it is descended

  std::int64_t deadline_ms() const { return latency.deadline_ms > 0 ? latency.deadline_ms : latency.limit_ms; }
};

inline constexpr const char* kTriggers[] = {"deadline", "queue", "verdict", "down"};

// Everything that is wrong with its values.
std::vector<Problem> check(const Slo& slo);

// Throw Error(invalid_argument) that lists every unknown key, word and impossible value, and Error(corrupt_file) for what is no TOML;
// read_slo also Error(not_found, io).
Slo parse_slo(std::string_view toml, const std::string& source);
Slo read_slo(const std::filesystem::path& file);

}  // namespace safelight
