// The scores of a model: per task and kind of claim, with intervals, as JSON and as a table.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/api/image.h"
#include "common/base/json.h"
#include "common/trace/trace.h"
#include "engine/training/checker/eval_tasks.h"
#include "engine/training/checker/scene_checker.h"

namespace safelight::app {

// Right of how many, with the 95 % Wilson interval.
struct Rate {
  int right = 0, of = 0;
  void add(bool is_right) { right += is_right, ++of; }
  std::pair<double, double> interval() const;
  Json json() const;
};

// A mean with its 95 % interval (Student's t).
struct Mean {
  double sum = 0, squares = 0;
  int of = 0;
  void add(double value) { sum += value, squares += value * value, ++of; }
  double value() const { return of > 0 ? sum / of : 0; }
  double half_width() const;
  Json json() const;
};

// For tables: the value and its interval, "-" where there is none.
std::string shown(const Rate& rate);
std::string shown(const Mean& mean, int digits);

// One picture, looked at.
struct Judged {
  EvalPrompt prompt;
  std::uint64_t seed = 0;
  CheckResult check;                      // prompt adherence: right when every claim is
  std::vector<std::string> problems;      // structural correctness: none for a well made picture
  std::vector<double> attention;          // overlap of each noun's attention map with what stands for it
  Json json() const;
};

// Throws Error(unsupported) unless the picture is square and RGB.
SeenScene see_picture(const Image& image);
// `claims`: of the prompt. `run`: a trace with attention maps; null: no overlaps.
Judged judged_picture(const EvalPrompt& prompt, std::uint64_t seed, const SeenScene& scene, const PromptClaims& claims, const TraceReader* run);

struct TaskScores {
  Rate right, right_seen, right_held_out; // pictures that keep every claim; seen: of prompts that training knew
  Rate well_made;
  std::map<std::string, Rate> kinds;      // of claims
  Mean attention;
  void add(const Judged& picture);
  Json json() const;
};

class Board {
 public:
  void add(const Judged& picture);
  Json json() const;                      // {"all": ..., "tasks": {...}}
  std::vector<std::string> table() const;

 private:
  TaskScores all_;
  std::vector<std::pair<std::string, TaskScores>> tasks_;  // in the order in which they came
};

}  // namespace safelight::app
