// How right the diagnosis was: shares with intervals, over all faults, over those that nobody tuned for, and against simple strategies.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "assay/record.h"

namespace safelight {

// So many of so many, with Wilson's 95 % interval (Wilson 1927).
struct Rate {
  int right = 0, of = 0;
  double share() const { return of > 0 ? static_cast<double>(right) / of : 0; }
  double low() const;
  double high() const;
  void count(bool yes) { right += yes, ++of; }
};

// Verdicts without counterfactuals, or with them.
using Pick = Answer AssayRecord::*;

struct Scores {
  Rate top1, top2;         // subsystem: the one that is named; one of the first two of the ranking
  Rate cause;              // of faults that the cause table has a name for
  Rate trigger, stage;
  Rate module;             // of faults that lie in one module
  Rate step;               // first bad step within one, of faults that have one
  Rate false_alarms;       // clean runs that are not called healthy
  double calibration_error = 0;    // expected error of the confidence over ten bins (Guo et al., arXiv:1706.04599), clean runs included
  double seconds = 0, reruns = 0;  // per verdict
  double seconds_per_right = 0;    // 0 where none is right
};
Scores score(const std::vector<AssayRecord>& records, Pick pick);

// The same faulty runs answered without a theory.
struct StrategyScores {
  Rate most_common;        // always the subsystem that most of the faults before the freeze belong to
  Rate fixed_thresholds, fixed_false_alarms;
  Rate blind_swapping, blind_false_alarms;
  double blind_reruns = 0; // per run
};
StrategyScores score_strategies(const std::vector<AssayRecord>& records);

// Everything that is published: the held-out quarter first, then all, per fault, per clean kind, strategies, confusion.
Json score_report(const std::vector<AssayRecord>& records);

}  // namespace safelight
