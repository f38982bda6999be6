// Which runs an assay consists of. The plan follows from its settings alone, so that shards and resumed assays agree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "assay/fault.h"

namespace safelight {

struct AssayPlan {
  std::string model;          // name or directory
  int count = 100;            // faulty runs, and as many clean ones
  std::uint64_t seed = 1;
  int shard = 1, shards = 1;  // this part of the plan: every shards-th pair of runs from the shard-th on
  int counterfactuals = 25;   // reruns that each verdict may spend
};

// What the model can be asked for.
struct PromptSource {
  SceneOptions world;         // what it was trained to paint
  std::function<bool(const std::string&)> fits;  // whether it knows every word of a prompt and has room for it; null: always
};

struct PlannedRun {
  std::string id;             // "000017-fault", "000017-clean"
  const FaultEntry* fault = nullptr;  // null: a clean run
  std::size_t dose = 0;       // index into the fault's doses
  std::string clean_kind;
  GenerateRequest request;    // healthy; the fault is not in it yet
  std::uint64_t seed = 0;     // of the fault's choices
};

// Faulty and clean runs by turns. Every row of the table is met before one comes again, at another dose, in an order drawn from
// the seed.
std::vector<PlannedRun> plan_runs(const AssayPlan& plan, const PromptSource& source);

// A request that a healthy model should be able to serve, though not every one is easy. `number` counts the clean runs.
struct CleanCase {
  std::string kind;
  GenerateRequest request;
};
CleanCase clean_case(int number, const PromptSource& source, std::uint64_t seed);
std::vector<std::string> clean_kinds();

}  // namespace safelight
