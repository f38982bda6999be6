// Words beyond the text encoder's length (P13).
#include <fmt/format.h>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  const Json& run = in.trace.run();
  if (!run.contains("facts") || !run["facts"].contains("text")) return {};
  const Json cut = run["facts"]["text"].value("truncated", Json::array());
  if (cut.empty()) return {};
  std::string words;
  for (std::size_t i = 0; i < cut.size() && i < 8; ++i) words += (i ? " " : "") + cut[i].get<std::string>();
  return {{.subsystem = "prompt", .cause = "truncated", .severity = 20.0, .what = fmt::format("{} tokens did not fit and were cut off: {}", cut.size(), words),
           .evidence = {{.statistic = "text.truncated", .value = static_cast<double>(cut.size()), .low = 0, .high = 0}}}};
}

}  // namespace

DetectorEntry truncated_prompt() { return {"truncated-prompt", "prompt", "words beyond the text encoder's length", detect}; }

}  // namespace safelight
