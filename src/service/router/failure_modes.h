// Which failures of a picture an SLO lets pass, in the vocabulary of verdicts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/api/verdict.h"

namespace safelight {

// What a person or a score sees in a picture. The names of subsystems (kSubsystems) are failure modes too.
inline constexpr const char* kSymptomModes[] = {"text",   "banding",          "colour",          "contrast",     "blur",    "noise",  "seams",
                                                "clutter", "duplicated-parts", "missing-objects", "wrong-layout", "latent",  "combination"};

// "text, banding, ..., provider": for messages.
std::string known_failure_modes();
bool is_failure_mode(std::string_view name);

struct FailurePolicy {
  std::vector<std::string> accept;   // failure modes that may pass, with a label
  std::vector<std::string> refuse;   // that may not
  std::string others = "refuse";     // what is in neither list: refuse or accept
  double shows_above = 0.1;          // a symptom is there when its score (0..1) exceeds this
};

struct Judgement {
  bool passes = true;
  std::vector<std::string> shown;    // failure modes in the picture
  std::vector<std::string> refused;  // those of them that may not pass; empty when it passes
  std::string why;                   // one sentence
};

// The symptoms decide. The subsystem of the verdict counts where the policy names it or where no symptom shows.
Judgement judge(const FailurePolicy& policy, const Verdict& verdict);

}  // namespace safelight
