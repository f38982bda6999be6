// A negative prompt that says what the prompt says: guidance then has nothing to lead along.
#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  constexpr double kSame = 1e-3;
  const Json& run = in.trace.run();
  if (!run.contains("resolved") || run["resolved"].value("prompt", std::string()).empty() || run["resolved"].value("negative", std::string()).empty()) return {};
  const double distance = fact(in.trace, "text", "distance_to_empty");
  if (!(distance < kSame)) return {};
  return {{.subsystem = "prompt", .cause = "negative-repeats", .first_step = 0, .last_step = in.trace.steps_done() - 1, .severity = 20,
           .what = "the negative prompt means the same to the text encoder as the prompt, so that guidance has nothing to lead along",
           .evidence = {{.statistic = "text.distance_to_empty", .value = distance, .low = kSame, .high = {}}}}};
}

}  // namespace

DetectorEntry negative_repeats() { return {"negative-repeats", "prompt", "a negative prompt that says what the prompt says", detect}; }

}  // namespace safelight
