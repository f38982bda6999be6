// The engine as the runner of a sweep's cells.
#pragma once

#include <functional>
#include <map>

#include "bridge/diagnosis.h"
#include "insight/sweeps/sweep.h"

namespace safelight {

struct CellRunnerOptions {
  int counterfactuals = 0;           // reruns that each cell's diagnosis may spend beside the latent-difference check's one
  std::function<bool()> cancelled;   // asked once per evaluation; may be empty
};

// Keeps one model open at a time, with its baseline. Not thread-safe.
class EngineCellRunner final : public CellRunner {
 public:
  EngineCellRunner(Engine& engine, CellRunnerOptions options) : engine_(engine), options_(std::move(options)) {}
  OperatingPoint settle(const GenerateRequest& shared, const OperatingPoint& asked) override;
  Outcome run(const GenerateRequest& shared, const OperatingPoint& point, std::uint64_t seed, const std::filesystem::path& directory) override;

 private:
  void hold(const std::string& directory);   // forgets the model held before
  Engine& engine_;
  CellRunnerOptions options_;
  std::string held_;
  std::optional<Baseline> baseline_;                        // of the model held
  std::map<std::string, Experiment::Outcome> small_edits_;  // by model, sampling and seed
};

}  // namespace safelight
