// The engine as the Experiment of diagnosis: every counterfactual is itself a stored run.
#pragma once

#include <filesystem>

#include "engine/facade/engine.h"
#include "insight/diagnosis/diagnose.h"

namespace safelight {

class EngineExperiment final : public Experiment {
 public:
  // Counterfactual runs go into `directory`, numbered.
  EngineExperiment(Engine& engine, std::filesystem::path directory) : engine_(engine), directory_(std::move(directory)) {}
  Outcome rerun(const TraceReader& base, const Interventions& change) override;
  Outcome ask(const TraceReader& base, const GenerateRequest& request, const Interventions& change) override;
  std::optional<Reading> read(const TraceReader& run) override;

 private:
  Outcome run(GenerateRequest request, const Interventions& change);
  Engine& engine_;
  std::filesystem::path directory_;
};

// Diagnoses a stored run with its model's baseline; the verdict is also put into its run.json.
Verdict diagnose_run(Engine& engine, const std::filesystem::path& run, const DiagnoseOptions& options, const DiagnoseProgress& progress);

// Puts the verdict into the run's run.json.
void store_verdict(const TraceReader& run, const Verdict& verdict);

// The request and interventions of a stored run, ready to be run again.
GenerateRequest stored_request(const TraceReader& run);

// Whether the model's tokenizer takes every word of the prompt.
bool understands(const Components& model, const std::string& prompt);

struct CalibrateOptions {
  int runs = 60;
  int held_out_runs = 50;
  std::function<void(const std::string&, double part)> progress;
  std::function<bool()> stop;
};
// Runs the model at its recommended setting over those of the prompts that it understands and over seeds; writes <model>/baseline.json, and measures
// the false-alarm rate on further runs. Throws Error(invalid_argument) when it understands none. Empty and negative prompts are left out: they
// would widen the bands so far that flat attention or too few steps lie inside.
Baseline calibrate(Engine& engine, const std::string& model, const std::filesystem::path& scratch, std::vector<std::string> prompts,
                   const CalibrateOptions& options);

}  // namespace safelight
