// A detector turns a trace into findings. Each is one file and one line in table.cpp.
#pragma once

#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "common/trace/trace.h"
#include "insight/diagnosis/baseline.h"

namespace safelight {

struct DetectorInput {
  const TraceReader& trace;
  const Baseline* baseline = nullptr;  // null: only what holds for every model is looked for
  const AnswerCheck* answers = nullptr;  // null: the model was not asked what it answered at calibration
};

struct DetectorEntry {
  std::string name;
  std::string subsystem;
  std::string summary;
  std::vector<Finding> (*detect)(const DetectorInput&) = nullptr;
};

const std::vector<DetectorEntry>& detector_table();
std::vector<Finding> detect_all(const DetectorInput& input);

enum class Side { below, above, either };

struct Departure {
  bool found = false;
  int first_step = -1, last_step = -1;
  double severity = 0, value = 0;
  std::size_t element = 0;
  Band band;
};

// The first stretch of at least two steps (or the last step of all) in which an element of the series lies outside its
// band by more than `least` half widths. `skip`: steps at the end that are not looked at.
Departure departure(const DetectorInput& in, const std::string& series, Side side, double least = 0.5, int skip = 0);

Evidence evidence_of(const std::string& series, const Departure& d, const std::string& note = "");
// A number among the run's facts; NaN when it is not there.
double fact(const TraceReader& trace, const char* group, const char* key);

}  // namespace safelight
