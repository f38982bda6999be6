#include "apps/cli/context.h"
#include "apps/cli/pages.h"
#include "apps/service/pipeline_page.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "insight/report/report.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::vector<std::string> runs = {"latest"};
  std::string out;
  bool pipeline = false;   // the run is of a pipeline
};

bool is_sweep(const std::string& name) { return std::filesystem::exists(std::filesystem::path(name) / "sweep.json"); }

std::filesystem::path sweep_report_page(const Arguments& a) {
  if (a.runs.size() > 1) throw Error(ErrorCode::invalid_argument, "'" + a.runs.front() + "' is a sweep, which has a page of its own: name it alone");
  const std::filesystem::path out = a.out.empty() ? std::filesystem::path(a.runs.front()) / "report.html" : std::filesystem::path(a.out);
  ProgressBar bar(true);
  write_sweep_page(a.runs.front(), out, [&](double part) { bar.show("writing pages", part, 0); });
  return out;
}

std::filesystem::path runs_page(const Arguments& a, Context& context) {
  RunPages pages;
  Json runs = Json::array();
  std::filesystem::path out = a.out;
  for (const std::string& name : a.runs) {
    const TraceReader run(context.find_run(name));
    if (out.empty()) out = run.directory() / "report.html";
    pages.write_cited(run);
    runs.push_back(pages.data(run, std::filesystem::absolute(out).parent_path()));
  }
  write_file_atomic(out, report_html({{"runs", runs}}));
  return out;
}

std::filesystem::path page_of(const Arguments& a, Context& context, const ServiceContext& service) {
  const std::string& first = a.runs.front();
  if (is_sweep(first)) return sweep_report_page(a);
  if (!a.pipeline && !is_pipeline_run(first, context.runs_dir)) return runs_page(a, context);
  if (a.runs.size() > 1) throw Error(ErrorCode::invalid_argument, "'" + first + "' is a run of a pipeline, which has a page of its own: name it alone");
  return write_pipeline_page(first, a.out, service);
}

}  // namespace

Command report_command(CLI::App& app, Context& context, const ServiceContext& service) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("report", "One HTML file that shows runs, a sweep or a pipeline, with no network");
  c->add_option("runs", a->runs, "ids or directories of runs, latest, latest~1 for the one before, the directory of a sweep, or the id of a pipeline's run");
  c->add_flag("--pipeline", a->pipeline, "latest means the latest run of a pipeline");
  c->add_option("--out", a->out, "file to write; else report.html in the first run's directory");
  return {c, [a, &context, &service] {
            const std::filesystem::path out = page_of(*a, context, service);
            if (context.common.json) print_json({{"report", out.string()}});
            else print_line("report  " + out.string());
            return 0;
          }};
}

}  // namespace safelight::app
