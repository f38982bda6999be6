// What the commands share: settings from flags and environment, read here and nowhere below.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/console/console.h"
#include "engine/facade/engine.h"

namespace safelight::app {

struct ServiceContext;

struct Context {
  Common common;
  std::filesystem::path runs_dir = "runs";   // --runs, or SAFELIGHT_RUNS
  int threads = 0;
  std::string device = "cpu";
  Engine& engine();                          // made on first use
  // A path, or a run in runs_dir by its id; "latest", and "latest~N" for the Nth before it. Throws Error(not_found).
  std::filesystem::path find_run(const std::string& name) const;
  std::vector<std::filesystem::path> stored_runs() const;   // in runs_dir, the oldest first
  std::filesystem::path new_run_directory() const;

 private:
  std::unique_ptr<Engine> engine_;
};

Command generate_command(CLI::App& app, Context& context);
Command diagnose_command(CLI::App& app, Context& context);
Command compare_command(CLI::App& app, Context& context);
Command report_command(CLI::App& app, Context& context, const ServiceContext& service);
Command gradients_command(CLI::App& app, Context& context);
Command replay_command(CLI::App& app, Context& context);
Command runs_command(CLI::App& app, Context& context);
Command models_command(CLI::App& app, Context& context);
Command list_command(CLI::App& app, Context& context, const ServiceContext& service);
Command sweep_command(CLI::App& app, Context& context);
Command lab_calibrate(CLI::App& lab, Context& context);
Command lab_eval(CLI::App& lab, Context& context);
Command lab_card(CLI::App& lab, Context& context);
Command lab_assay(CLI::App& lab, Context& context);
Command lab_knobs(CLI::App& lab, Context& context);
Command lab_evidence(CLI::App& lab, Context& context);
Command lab_flows(CLI::App& lab, Context& context);
Command lab_natural(CLI::App& lab, Context& context);

}  // namespace safelight::app
