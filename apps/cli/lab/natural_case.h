// One picture that the checker looked at, what diagnosis said of it, and what every single change did to it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/context.h"
#include "common/base/json.h"
#include "engine/training/checker/eval_tasks.h"

namespace safelight::app {

struct NaturalTrial {
  std::string change, subsystem;
  bool right = false;        // the checker finds every claim of the prompt in the picture that it gives
  double moved = 0;          // of the final latent, relative to its length
};

struct NaturalCase {
  std::string id, task, prompt;
  std::uint64_t seed = 0;
  bool right = false;        // before anything was changed
  std::string reasons;       // why it is not
  bool tested = false;       // else it was only drawn: enough right ones had been tested
  std::string unasked;       // what diagnosis says by itself: a subsystem, "healthy" or "undetermined"
  std::string said;          // the same once it was told that the picture does not show what was asked for, and no more; as all that follows
  std::vector<std::string> ranking;  // the first two subsystems; empty where healthy
  std::string cause, sentence, failed;
  double confidence = 0, seconds = 0;
  int reruns = 0;
  std::vector<NaturalTrial> trials;  // every single change on the same seed
  std::vector<NaturalTrial> shams;   // changes without a theory, from small to large

  std::vector<std::string> cured_by() const;   // subsystems, each once, in the order of the trials; empty for a right picture
};

Json to_json(const NaturalCase& c);
NaturalCase natural_case_from_json(const Json& json, const std::string& where);   // throws Error(corrupt_file)

struct NaturalPlan {
  std::string model;
  int counterfactuals = 25;
  std::filesystem::path out;
};

// Draws the picture at the recommended setting, lets the checker judge it, and where `wanted(right)` holds diagnoses it and tries the changes. Pictures of
// tested cases go to <out>/pictures; other files are taken away.
NaturalCase natural_case(Context& context, const NaturalPlan& plan, const EvalPrompt& prompt, const std::string& id, std::uint64_t seed,
                         const std::function<bool(bool right)>& wanted);

}  // namespace safelight::app
