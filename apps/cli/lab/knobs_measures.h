// What is measured of every picture when a knob is turned.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/api/image.h"
#include "common/trace/trace.h"
#include "engine/training/checker/eval_tasks.h"

namespace safelight::app {

enum class MeasureKind {
  share,       // 0 or 1 a picture
  mean,        // a number a picture
  attention,   // a number a picture whose attention maps were stored
  cost         // of the model, measured apart in a process of its own
};

struct Measure {
  std::string name;      // in JSON and file names
  std::string title;     // of plots and columns
  MeasureKind kind = MeasureKind::mean;
  std::string meaning;   // one sentence for the page
};

const std::vector<Measure>& knob_measures();
const Measure& knob_measure(const std::string& name);   // name: of the list

// By name of the measure. A picture has no value where the question does not arise: no word was asked for, no edge is there.
using Values = std::map<std::string, double>;

// Increased when a measure changes its meaning, so that stored values of the old one are not taken for the new one.
inline constexpr int kMeasuresVersion = 2;

// `run`: the trace with the attention maps; null: no value for those. Throws Error(unsupported) unless the picture is square and RGB.
Values measured(const EvalPrompt& prompt, const Image& image, const TraceReader* run);

}  // namespace safelight::app
