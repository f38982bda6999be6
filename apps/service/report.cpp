// safelight report in a program without the engine: runs of pipelines.
#include "apps/service/pipeline_page.h"

namespace safelight::app {

Command service_report_command(CLI::App& app, ServiceContext& context) {
  struct Arguments {
    std::string run = "latest", out;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("report", "One HTML file that shows a run of a pipeline, with no network");
  c->add_option("run", a->run, "id of a run of `safelight run`, or latest");
  c->add_option("--out", a->out, "file to write; else report.html in the run's folder");
  return {c, [a, &context] {
            const std::filesystem::path out = write_pipeline_page(a->run, a->out, context);
            if (context.common.json) print_json({{"report", out.string()}});
            else print_line("report  " + out.string());
            return 0;
          }};
}

}  // namespace safelight::app
