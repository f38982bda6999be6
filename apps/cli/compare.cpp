#include "apps/cli/context.h"
#include "apps/cli/pages.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "insight/comparison/comparison.h"
#include "insight/report/report.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string first = "latest~1", second = "latest", out;
};

int compare(const Arguments& a, Context& context) {
  const TraceReader first(context.find_run(a.first)), second(context.find_run(a.second));
  if (std::filesystem::equivalent(first.directory(), second.directory()))
    throw Error(ErrorCode::invalid_argument, "'" + a.first + "' and '" + a.second + "' are the same run; name two (see `safelight runs list`)");
  RunPages pages;
  const Comparison comparison = compare_runs(first, second, pages.baseline_of(first));
  Json json = to_json(comparison);
  if (!a.out.empty()) {
    const auto page_directory = std::filesystem::absolute(a.out).parent_path();
    const Json runs = Json::array({pages.data(first, page_directory), pages.data(second, page_directory)});
    write_file_atomic(a.out, report_html({{"comparison", json}, {"runs", runs}}));
    json["report"] = a.out;
  }
  if (context.common.json) print_json(json);
  else print_line(printable(comparison_text(comparison)));
  if (!a.out.empty() && !context.common.json) print_line("report    " + a.out);
  return 0;
}

}  // namespace

Command compare_command(CLI::App& app, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("compare", "Two runs against each other: settings, the step at which they part, latents, series, words and pixels");
  c->add_option("first", a->first, "id or directory of a run, latest, or latest~1 for the one before; latest~1 without it");
  c->add_option("second", a->second, "the other run; latest without it");
  c->add_option("--out", a->out, "HTML file to write");
  return {c, [a, &context] { return compare(*a, context); }};
}

}  // namespace safelight::app
