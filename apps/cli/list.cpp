#include "apps/cli/context.h"
#include "apps/cli/known_failures.h"
#include "apps/service/catalogue_files.h"
#include "apps/service/commands.h"
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

Command list_command(CLI::App& app, Context& context, const ServiceContext& service) {
  struct Arguments {
    std::string what, search, signatures;
    std::vector<std::string> catalogue;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("list", "What there is: schedulers, guidance forms, probes, families, detectors, signatures of known failures, providers, models");
  c->add_option("what", a->what, "schedulers, guidance, probes, families, detectors, signatures, providers (wire protocols) or models (rows of the catalogue)")->required()
      ->check(CLI::IsMember({"schedulers", "guidance", "probes", "families", "detectors", "signatures", "providers", "models"}));
  add_catalogue_flag(*c, a->catalogue);
  c->add_option("--search", a->search, "signatures: those that have these words, best first");
  c->add_option("--signatures", a->signatures, "directory with JSON files of your own signatures; also SAFELIGHT_SIGNATURES");
  return {c, [a, &context, &service] {
            if (a->what == "signatures") return list_signatures(open_signatures(a->signatures), a->search, context.common.json);
            if (!a->catalogue.empty() && a->what != "models") throw Error(ErrorCode::invalid_argument, "--catalogue is for models");
            if (!a->search.empty()) throw Error(ErrorCode::invalid_argument, "--search is for signatures");
            for (const ServiceList& list : service_lists())
              if (list.what == a->what) return print_rows(a->what, list.rows(service, a->catalogue), context.common.json), 0;
            print_rows(a->what, rows_of(a->what), context.common.json);
            return 0;
          }};
}

}  // namespace safelight::app
