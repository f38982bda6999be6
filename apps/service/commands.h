// The commands that need service/ alone, and what they share. No header of libtorch comes in here, so that they are built and tested without it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/console/console.h"
#include "common/api/verdict.h"
#include "service/jobs/stage.h"
#include "service/providers/provider.h"

namespace safelight::app {

// Borrowed from the program, which outlives its commands.
struct ServiceContext {
  const Common& common;
  const std::filesystem::path& runs_dir;       // the ledger, the records of pipelines and their pictures lie in it
  std::vector<ProviderEntry> injected = {};    // "local" where the engine is built in
  std::vector<StageEntry> stages = {};         // kinds of stages besides those of stage_table(), from rooms that service/ does not see
  std::function<std::optional<Verdict>(const std::string& png, const std::string& prompt)> judge = {};  // looks at pictures for routes and checks; empty: nothing does
};

Command run_command(CLI::App& app, ServiceContext& context);
Command approve_command(CLI::App& app, ServiceContext& context);

// What `safelight list` can list of service/: "providers" and "models".
struct ServiceList {
  std::string what, summary;
  std::function<Json(const ServiceContext&, const std::vector<std::string>& catalogue_files)> rows;  // every row has "name" and "summary"
};
const std::vector<ServiceList>& service_lists();
// `safelight list` and `safelight report` of a program without the engine.
Command service_list_command(CLI::App& app, ServiceContext& context);
Command service_report_command(CLI::App& app, ServiceContext& context);
void print_rows(const std::string& what, const Json& rows, bool json);

}  // namespace safelight::app
