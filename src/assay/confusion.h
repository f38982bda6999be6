// Which subsystem was taken for which.
#pragma once

#include <string>
#include <vector>

#include "assay/score.h"

namespace safelight {

struct Confusion {
  std::vector<std::string> truths, answers;   // subsystems in pipeline order; "healthy" first, "undetermined" last among the answers
  std::vector<std::vector<int>> counts;       // [truth][answer]
};

// An answer that is as right as the truth counts as the truth, so that the diagonal is what top-1 counts.
Confusion confusion_of(const std::vector<AssayRecord>& records, Pick pick);
Json to_json(const Confusion& confusion);
// A picture that stands alone: a square per pair, darker for a larger share of its row, with the count in it.
std::string svg_of(const Confusion& confusion, const std::string& title);

}  // namespace safelight
