#include <fmt/format.h>

#include "apps/cli/context.h"
#include "engine/guidance/guidance.h"
#include "engine/probes/table.h"
#include "engine/schedulers/solver.h"
#include "insight/diagnosis/detector.h"

namespace safelight::app {
namespace {

Json rows_of(const std::string& what) {
  Json rows = Json::array();
  if (what == "schedulers")
    for (const SolverEntry& e : solver_table())
      rows.push_back({{"name", e.name}, {"summary", e.summary}, {"order", e.order}, {"stochastic", e.stochastic}, {"class", e.class_name}, {"frame", name(frame_of(e.class_name))}, {"source", e.source}});
  else if (what == "probes")
    for (const ProbeEntry& e : probe_table()) rows.push_back({{"name", e.name}, {"summary", e.measures}});
  else if (what == "guidance")
    for (const GuidanceEntry& e : guidance_table()) rows.push_back({{"name", e.name}, {"summary", e.summary}, {"source", e.source}});
  else if (what == "families")
    for (const Family& e : family_table()) rows.push_back({{"name", e.name}, {"summary", e.summary}});
  else
    for (const DetectorEntry& e : detector_table()) rows.push_back({{"name", e.name}, {"summary", e.summary}, {"subsystem", e.subsystem}});
  return rows;
}

}  // namespace

Command list_command(CLI::App& app, Context& context) {
  auto what = std::make_shared<std::string>();
  CLI::App* c = app.add_subcommand("list", "What there is: schedulers, guidance forms, probes, families, detectors");
  c->add_option("what", *what, "schedulers, guidance, probes, families or detectors")->required()->check(CLI::IsMember({"schedulers", "guidance", "probes", "families", "detectors"}));
  return {c, [what, &context] {
            const Json rows = rows_of(*what);
            if (context.common.json) print_json({{*what, rows}});
            else
              for (const Json& r : rows) print_line(fmt::format("{:<20} {}", r["name"].get<std::string>(), r["summary"].get<std::string>()));
            return 0;
          }};
}

}  // namespace safelight::app
