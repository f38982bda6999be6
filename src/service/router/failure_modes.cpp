#include "service/router/failure_modes.h"

#include <algorithm>

namespace safelight {
namespace {

bool holds(const std::vector<std::string>& list, const std::string& name) { return std::find(list.begin(), list.end(), name) != list.end(); }

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

}  // namespace

std::string known_failure_modes() {
  std::vector<std::string> names(std::begin(kSymptomModes), std::end(kSymptomModes));
  names.insert(names.end(), std::begin(kSubsystems), std::end(kSubsystems));
  return joined(names);
}

bool is_failure_mode(std::string_view name) {
  const auto same = [&](const char* known) { return name == known; };
  return std::any_of(std::begin(kSymptomModes), std::end(kSymptomModes), same) || std::any_of(std::begin(kSubsystems), std::end(kSubsystems), same);
}

Judgement judge(const FailurePolicy& policy, const Verdict& verdict) {
  Judgement out;
  // Scores alone are no failure: diagnosis has weighed them where it calls a picture healthy.
  for (const SymptomScore& s : verdict.scores)
    if (!verdict.healthy && s.symptom != "overall" && s.score > policy.shows_above) out.shown.push_back(s.symptom);
  const std::string& subsystem = verdict.subsystem;
  const bool named = holds(policy.accept, subsystem) || holds(policy.refuse, subsystem);
  if (!verdict.healthy && !subsystem.empty() && (named || out.shown.empty())) out.shown.push_back(subsystem);
  if (!verdict.healthy && out.shown.empty()) out.shown.push_back("undetermined");
  for (const std::string& mode : out.shown)
    if (holds(policy.refuse, mode) || (!holds(policy.accept, mode) && policy.others == "refuse")) out.refused.push_back(mode);
  out.passes = out.refused.empty();
  out.why = out.shown.empty() ? "nothing is wrong with the picture"
            : out.passes      ? "the picture shows " + joined(out.shown) + ", which may pass"
                              : "the picture shows " + joined(out.refused) + ", which may not pass";
  return out;
}

}  // namespace safelight
