// Tokens that the prompt's own account does not list (P13): what was tokenised is not what the text encoder was given.
#include <fmt/format.h>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

bool has_arrays(const Json& text) {
  return text.contains("ids") && text["ids"].is_array() && text.contains("tokens") && text["tokens"].is_array();
}

std::vector<Finding> detect(const DetectorInput& in) {
  const Json& run = in.trace.run();
  const bool edited = run.contains("interventions") && !run["interventions"].value("tokens", Json::array()).empty();  // then it was asked for
  const bool chunks = run.contains("request") && run["request"].value("long_prompt", std::string("cut")) != "cut";    // accounts are per chunk
  if (edited || chunks || !run.contains("facts") || !run["facts"].contains("text") || !has_arrays(run["facts"]["text"])) return {};
  const Json &ids = run["facts"]["text"]["ids"], &tokens = run["facts"]["text"]["tokens"];
  int wrong = 0;
  std::string first;
  for (std::size_t i = 0; i < tokens.size() && i < ids.size(); ++i) {
    if (tokens[i].value("id", Json(nullptr)) == ids[i]) continue;
    if (wrong++ == 0) first = tokens[i].value("text", std::string());
  }
  for (std::size_t i = tokens.size() + 1; i < ids.size(); ++i) wrong += ids[i] != ids[i - 1];  // padding repeats one token
  if (wrong == 0) return {};
  return {{.subsystem = "prompt", .cause = "tokens-changed", .severity = 20.0,
           .what = fmt::format("{} of {} tokens reached the text encoder as others than the prompt has{}", wrong, ids.size(), first.empty() ? "" : ", first '" + first + "'"),
           .evidence = {{.statistic = "text.ids", .value = static_cast<double>(wrong), .low = 0, .high = 0}}}};
}

}  // namespace

DetectorEntry changed_tokens() { return {"changed-tokens", "prompt", "tokens that are not those of the prompt when they reach the text encoder", detect}; }

}  // namespace safelight
