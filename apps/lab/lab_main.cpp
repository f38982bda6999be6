#include "apps/lab/lab.h"
#include "common/base/error.h"

namespace {

int run(int argc, char** argv) {
  using namespace safelight;
  CLI::App app{"Safelight's laboratory"};
  app.require_subcommand(1);
  app::Common common;
  app.add_flag("--json", common.json, "one JSON object on standard output");
  const std::vector<app::Command> commands = {app::lab_train(app, common), app::lab_record(app, common), app::lab_verify(app, common), app::lab_bench(app, common)};
  try {
    app.parse(argc, argv);
    for (const app::Command& c : commands)
      if (c.parser->parsed()) return c.run();
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const Error& e) {
    app::note(std::string(name(e.code())) + ": " + e.what());
    return 1;
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) { safelight::app::leave(run(argc, argv)); }
