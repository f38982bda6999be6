// An injected fault with its ground truth. Each is one row of the file of its subsystem; table.cpp joins the files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "engine/pipelines/components.h"
#include "engine/training/scenes/scene.h"

namespace safelight {

// What a verdict about the fault has to say.
struct Truth {
  std::string subsystem;            // of kSubsystems
  std::vector<std::string> also;    // others that are as right an answer, because nothing in a run tells them apart
  std::string trigger;              // the subsystem whose change cures it
  std::vector<std::string> causes;  // keys of the cause table that name it; empty: the table has none
  std::string stage = "base";       // of a cascade
  std::string module;               // a part of the module's path; empty: none in particular
  double from_timestep = -1;        // acts at evaluations at this timestep and below; -1: it belongs to no step
};

// The fault acts at every step.
inline constexpr double kEveryTimestep = 1e9;

// One fault at one dose, ready to be run.
struct Injection {
  Truth truth;
  GenerateRequest request;                         // comes healthy; a fault of the request changes it
  std::function<Components(Components)> damage;    // of the model; null: the model stays as it is. Thread-safe.
};

struct FaultSite {
  const Components& healthy;
  double dose;            // one of the row's doses
  std::uint64_t seed;     // of everything that the fault draws
  SceneRandom& random;    // seeded by it: for choices of a module, a channel, a step
};

struct FaultEntry {
  std::string name;
  std::string summary;               // one line: what is done to the run
  Truth truth;                       // as far as it is the same at every site; `inject` fills in module and step
  std::vector<double> doses;         // from mild to severe
  std::string unit;                  // of a dose
  bool added_after_freeze = false;   // written when the detectors stood, and never used to tune them
  // Throws Error(unsupported) where the model has not what the fault damages.
  void (*inject)(const FaultSite& site, Injection& injection) = nullptr;
};

const std::vector<FaultEntry>& fault_table();
// Throws Error(invalid_argument) listing the names.
const FaultEntry& fault_named(const std::string& name);
// The row's fault at one of its doses on a healthy request. Deterministic in its arguments.
Injection inject(const FaultEntry& fault, std::size_t dose, const Components& healthy, const GenerateRequest& request, std::uint64_t seed);

}  // namespace safelight
