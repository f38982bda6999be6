// safelight as it is without libtorch: hosted models and peers, no engine.
#include "apps/console/program.h"
#include "apps/service/commands.h"

namespace {

int run(int argc, char** argv) {
  using namespace safelight::app;
  CLI::App parser{"Safelight without its engine: routes and pipelines over hosted models and peers"};
  parser.require_subcommand(1);
  parser.set_version_flag("--version", "safelight 0.1.0");
  parser.fallthrough();
  Common common;
  std::filesystem::path runs_dir = "runs";
  parser.add_flag("--json", common.json, "one JSON object on standard output, everything else on standard error");
  parser.add_option("--runs", runs_dir, "directory that holds runs")->envname("SAFELIGHT_RUNS");
  ServiceContext context{.common = common, .runs_dir = runs_dir};
  return run_program(parser, argc, argv, {run_command(parser, context), approve_command(parser, context), service_list_command(parser, context), service_report_command(parser, context)}, common);
}

}  // namespace

int main(int argc, char** argv) { safelight::app::leave(run(argc, argv)); }
