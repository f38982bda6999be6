#include <fmt/format.h>

#include "apps/cli/context.h"
#include "apps/cli/known_failures.h"
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
  struct Arguments {
    std::string what, search, signatures;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("list", "What there is: schedulers, guidance forms, probes, families, detectors, signatures of known failures");
  c->add_option("what", a->what, "schedulers, guidance, probes, families, detectors or signatures")->required()
      ->check(CLI::IsMember({"schedulers", "guidance", "probes", "families", "detectors", "signatures"}));
  c->add_option("--search", a->search, "signatures: those that have these words, best first");
  c->add_option("--signatures", a->signatures, "directory with JSON files of your own signatures; also SAFELIGHT_SIGNATURES");
  return {c, [a, &context] {
            if (a->what == "signatures") return list_signatures(open_signatures(a->signatures), a->search, context.common.json);
            if (!a->search.empty()) throw Error(ErrorCode::invalid_argument, "--search is for signatures");
            const Json rows = rows_of(a->what);
            if (context.common.json) print_json({{a->what, rows}});
            else
              for (const Json& r : rows) print_line(fmt::format("{:<20} {}", r["name"].get<std::string>(), r["summary"].get<std::string>()));
            return 0;
          }};
}

}  // namespace safelight::app
