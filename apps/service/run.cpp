// safelight run: stages under a route and a promise, or the plan for one request.
#include <set>

#include "apps/service/pipelines.h"
#include "apps/service/route_flags.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

struct Arguments {
  RouteFlags route;
  std::string file, out, resume, show;
  bool plan = false, fresh = false, repeat_paid = false;
};

// What was given and has no meaning in this way of calling would be ignored: a limit on money, for example.
void require_only(const CLI::App& parser, const std::string& way, const std::set<std::string>& known) {
  for (const CLI::Option* o : parser.get_options())
    if (o->count() > 0 && !known.contains(o->get_name())) throw Error(ErrorCode::invalid_argument, o->get_name() + " means nothing to " + way + "; leave it out");
}

int run(const Arguments& a, const CLI::App& parser, const ServiceContext& context) {
  const int ways = !a.file.empty() + !a.resume.empty() + !a.show.empty();
  if (ways > 1) throw Error(ErrorCode::invalid_argument, "give a pipeline file, --resume or --show, one of them");
  if (!a.file.empty() && a.plan) require_only(parser, "--plan of a pipeline file, which holds its own", {"file", "--plan", "--catalogue"});
  else if (!a.file.empty()) require_only(parser, "a pipeline file, which holds its own", {"file", "--out", "--fresh", "--catalogue", "--repeat-paid"});
  else if (!a.resume.empty()) require_only(parser, "--resume, which goes on as it was asked", {"--resume", "--repeat-paid", "--plan"});
  else if (!a.show.empty()) require_only(parser, "--show", {"--show", "--repeat-paid", "--plan"});
  if (a.plan) {
    if (!a.resume.empty() || !a.show.empty()) throw Error(ErrorCode::invalid_argument, "--plan is for a pipeline file or a --prompt");
    if (!a.file.empty()) return plan_pipeline(a.file, a.route.catalogue, context), 0;
    std::vector<std::string> warnings;
    const RoutePlan plan = plan_route(a.route, context, warnings);
    print_plan(plan, warnings, context.common.json);
    return 0;
  }
  if (ways == 0) throw Error(ErrorCode::invalid_argument, "give a pipeline file, --resume RUN, --show RUN, or --plan with --prompt; `safelight generate` makes one picture with the engine");
  if (a.repeat_paid && a.resume.empty()) throw Error(ErrorCode::invalid_argument, "--repeat-paid is for --resume");
  PipelineDesk desk(context);
  if (!a.show.empty()) return desk.show(desk.find(a.show)), 0;
  if (!a.resume.empty()) return desk.go(a.resume, a.repeat_paid);
  return desk.go(desk.add(a.file, a.out, a.route.catalogue, a.fresh), false);
}

}  // namespace

Command run_command(CLI::App& app, ServiceContext& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("run", "Runs a pipeline of stages under a route and an SLO; goes on after any crash without redoing or repaying a finished stage");
  c->add_option("file", a->file, "TOML file with the stages (docs/pipeline-examples)");
  c->add_flag("--plan", a->plan, "say which model would be asked, what would follow if it fails, and why each other one is left out; nothing is sent");
  c->add_option("--out", a->out, "directory for deliveries; else one of the run's own");
  c->add_flag("--fresh", a->fresh, "take no finished stage of an earlier run");
  c->add_option("--resume", a->resume, "id of a run, or latest: go on where it stopped");
  c->add_flag("--repeat-paid", a->repeat_paid, "with --resume: ask again where a call may have been paid for and its picture never came");
  c->add_option("--show", a->show, "id of a run, or latest: where every second and cent went");
  add_route_flags(*c, a->route);
  return {c, [a, c, &context] { return run(*a, *c, context); }};
}

}  // namespace safelight::app
