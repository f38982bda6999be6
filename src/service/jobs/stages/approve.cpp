// Waits for a person. Nothing runs here: run_pipeline() looks for the decision that belongs to what was shown.
#include "service/jobs/stage.h"

namespace safelight {
namespace {

std::vector<Problem> check_settings(const Json& settings) {
  std::vector<Problem> problems;
  for (const auto& [key, value] : settings.items())
    if (key != "question") problems.push_back({key, "is unknown", "known: question"});
    else if (!value.is_string()) problems.push_back({key, "is no text", "use a string"});
  return problems;
}

}  // namespace

StageEntry stage_approve() {
  return {.name = "approve", .summary = "pauses until a person approves, rejects, picks among candidates or changes the prompt of the next stage", .in = Port::pictures, .out = Port::pictures,
          .waits_for_person = true, .reusable = false, .check = check_settings, .run = {}};
}

}  // namespace safelight
