// A picture that does not show what was asked for, by a model whose parts and settings are all as they should be.
#pragma once

#include "insight/diagnosis/diagnose.h"

namespace safelight {

// What of the run, changed by itself on the same seed, makes the words of the prompt explain the picture best (reading.h), beside changes of that size without
// a theory. Fills `v`, whose checks and scores are there already: the subsystem whose change helps most, or undetermined when none helps.
void explain_unlike_prompt(const TraceReader& trace, Experiment& experiment, const DiagnoseOptions& options, const DiagnoseProgress& progress, Verdict& v);

}  // namespace safelight
