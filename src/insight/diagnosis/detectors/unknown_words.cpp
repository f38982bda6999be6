// Words outside the model's closed vocabulary (P13).
#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  const Json& run = in.trace.run();
  if (!run.contains("facts") || !run["facts"].contains("text")) return {};
  const Json unknown = run["facts"]["text"].value("unknown_words", Json::array());
  if (unknown.empty()) return {};
  std::string words;
  for (std::size_t i = 0; i < unknown.size() && i < 8; ++i) words += (i ? ", " : "") + unknown[i].get<std::string>();
  return {{.subsystem = "prompt", .cause = "unknown-words", .severity = 20.0, .what = "the model does not know: " + words + "; these words had no effect",
           .evidence = {{.statistic = "text.unknown_words", .value = static_cast<double>(unknown.size()), .low = 0, .high = 0}}}};
}

}  // namespace

DetectorEntry unknown_words() { return {"unknown-words", "prompt", "words outside the model's vocabulary", detect}; }

}  // namespace safelight
