#include "apps/cli/context.h"
#include "common/base/io.h"
#include "insight/report/report.h"

namespace safelight::app {

Command report_command(CLI::App& app, Context& context) {
  struct Arguments {
    std::vector<std::string> runs = {"latest"};
    std::string out;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("report", "One HTML file that shows runs, with no network");
  c->add_option("runs", a->runs, "ids or directories of runs, or latest");
  c->add_option("--out", a->out, "file to write; else report.html in the first run's directory");
  return {c, [a, &context] {
            std::vector<Json> runs;
            std::filesystem::path out = a->out;
            for (const std::string& name : a->runs) {
              const TraceReader run(context.find_run(name));
              if (out.empty()) out = run.directory() / "report.html";
              const std::string model = run.run().value("resolved", Json::object()).value("directory", "");
              const auto baseline = model.empty() ? std::nullopt : read_baseline(model);
              runs.push_back(report_run(run, baseline ? &*baseline : nullptr));
            }
            write_file_atomic(out, report_html(runs));
            if (context.common.json) print_json({{"report", out.string()}});
            else print_line("report  " + out.string());
            return 0;
          }};
}

}  // namespace safelight::app
