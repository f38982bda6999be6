// safelight run: stages under a route and a promise, or the plan for one request.
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

int run(const Arguments& a, const ServiceContext& context) {
  const int ways = !a.file.empty() + !a.resume.empty() + !a.show.empty();
  if (ways > 1) throw Error(ErrorCode::invalid_argument, "give a pipeline file, --resume or --show, one of them");
  if (a.plan) {
    if (!a.resume.empty() || !a.show.empty()) throw Error(ErrorCode::invalid_argument, "--plan is for a pipeline file or a --prompt");
    if (!a.file.empty() && !a.route.image.prompt.empty()) throw Error(ErrorCode::invalid_argument, "a pipeline file holds the prompt itself: leave --prompt out");
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
  return {c, [a, &context] { return run(*a, context); }};
}

}  // namespace safelight::app
