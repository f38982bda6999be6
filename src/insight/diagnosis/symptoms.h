// The symptoms that a person can name: what can cause each, and what measures it. A symptom is one row of the table.
#pragma once

#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "insight/diagnosis/detector.h"

namespace safelight {

struct SymptomMeasure {
  const char* feature;   // of image_statistics or part_statistics
  Side side;             // on which the symptom shows
  double floor;          // least half width of what counts as usual, in the feature's unit
};

struct Symptom {
  const char* name;      // of kSymptoms
  const char* meaning;
  std::vector<const char*> subsystems;   // that can cause it, the likeliest first
  std::vector<SymptomMeasure> measures;
};

const std::vector<Symptom>& symptom_table();
// Throws Error(invalid_argument) listing the names.
const Symptom& symptom_named(const std::string& name);
bool can_cause(const Symptom& symptom, const std::string& subsystem);

}  // namespace safelight
