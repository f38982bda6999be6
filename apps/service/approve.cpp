// safelight approve: a person's word at a stage that waits.
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include "apps/service/pipelines.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string run, reject, prompt, shown, by;
  std::vector<int> pick;
  bool show = false, later = false, rejected = false;
};

// The account that runs the program: who decided, as far as the machine knows.
std::string this_person() {
  const passwd* account = ::getpwuid(::getuid());
  return account && account->pw_name ? account->pw_name : "user " + std::to_string(::getuid());
}

int list_waiting(PipelineDesk& desk, const ServiceContext& context) {
  Json rows = Json::array();
  for (const std::string& id : desk.store().run_ids()) {
    const RunRecord run = desk.store().run(id);
    const Pipeline pipeline = parse_pipeline(run.source, context.stages);
    if (state_of(run, pipeline.stages.size()) != "waiting") continue;
    const Question q = open_question(run, pipeline, context.stages);
    rows.push_back({{"run", id}, {"stage", q.stage}, {"shown", q.shown}, {"pictures", q.pictures.size()}, {"question", q.text}});
  }
  if (context.common.json) return print_json({{"waiting", rows}}), 0;
  for (const Json& r : rows) print_line(printable(fmt::format("{}  {:<20} {} pictures  {}", r["run"].get<std::string>(), r["stage"].get<std::string>(), r["pictures"].get<std::size_t>(), r["question"].get<std::string>())));
  if (rows.empty()) note("no run waits for a person");
  return 0;
}

int show_question(const RunRecord& run, const Question& q, const ObjectStore& objects, bool json) {
  Json pictures = Json::array();
  for (const Picture& p : q.pictures)
    pictures.push_back({{"file", objects.path(p.object).string()}, {"sha256", p.object}, {"mime", p.mime}, {"width", p.width_px}, {"height", p.height_px}, {"facts", p.facts}});
  if (json) return print_json({{"run", run.id}, {"stage", q.stage}, {"shown", q.shown}, {"question", q.text}, {"next_prompt", q.next_prompt}, {"pictures", pictures}}), 0;
  print_line(printable(fmt::format("run {}, stage {}: {}", run.id, q.stage, q.text.empty() ? "may these pictures go on?" : q.text)));
  for (std::size_t i = 0; i < pictures.size(); ++i)
    print_line(printable(fmt::format("  {}. {}x{}  {}", i, q.pictures[i].width_px, q.pictures[i].height_px, pictures[i]["file"].get<std::string>())));
  if (!q.next_prompt.empty()) print_line(printable("  the next stage will be asked for: " + q.next_prompt));
  print_line("  shown: " + q.shown);
  return 0;
}

Approval approval_of(const Arguments& a, const Question& q) {
  if (a.rejected && a.reject.empty()) throw Error(ErrorCode::invalid_argument, "--reject needs a reason");
  if (a.rejected && (!a.pick.empty() || !a.prompt.empty())) throw Error(ErrorCode::invalid_argument, "--reject ends the run: leave --pick and --prompt out");
  if (!a.shown.empty() && a.shown != q.shown)
    throw Error(ErrorCode::conflict, "what waits now is not what you saw (" + q.shown.substr(0, 12) + "... in place of " + a.shown.substr(0, 12) + "...): look again with --show");
  for (std::size_t i = 0; i < a.pick.size(); ++i) {
    if (a.pick[i] < 0 || static_cast<std::size_t>(a.pick[i]) >= q.pictures.size())
      throw Error(ErrorCode::invalid_argument, fmt::format("--pick {}: there are {} pictures, counted from 0", a.pick[i], q.pictures.size()));
    for (std::size_t k = 0; k < i; ++k)
      if (a.pick[k] == a.pick[i]) throw Error(ErrorCode::invalid_argument, fmt::format("--pick {} is given twice", a.pick[i]));
  }
  if (!a.prompt.empty() && q.next_prompt.empty()) throw Error(ErrorCode::invalid_argument, "--prompt: no stage follows that draws");
  return {.stage = q.stage, .shown = q.shown, .approved = !a.rejected, .picked = a.pick, .reason = a.reject, .prompt = a.prompt, .by = a.by.empty() ? this_person() : a.by, .at_unix_ms = SystemClock().unix_ms()};
}

}  // namespace

Command approve_command(CLI::App& app, ServiceContext& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("approve", "Releases or rejects what a run of a pipeline waits for");
  c->add_option("run", a->run, "id of a run, or latest; without it the runs that wait are listed");
  c->add_flag("--show", a->show, "say what waits, decide nothing");
  CLI::Option* reject = c->add_option("--reject", a->reject, "end the run, for this reason");
  c->add_option("--pick", a->pick, "only this picture goes on, counted from 0; several times for several")->allow_extra_args(false);
  c->add_option("--prompt", a->prompt, "what the next stage is asked for, in place of the prompt so far");
  c->add_option("--shown", a->shown, "the word under `shown` that you saw: refused if something else waits by now");
  c->add_option("--by", a->by, "who decides, for the record; without it the account that runs this");
  c->add_flag("--later", a->later, "only record the decision; `safelight run --resume` goes on");
  return {c, [a, reject, &context] {
            a->rejected = reject->count() > 0;
            if (a->run.empty() && (a->rejected || a->later || !a->pick.empty() || !a->prompt.empty() || !a->shown.empty() || !a->by.empty()))
              throw Error(ErrorCode::invalid_argument, "a decision needs the run that it is for: `safelight approve RUN ...`");
            PipelineDesk desk(context);
            if (a->run.empty()) return list_waiting(desk, context);
            const RunRecord run = desk.find(a->run);
            const Question question = open_question(run, parse_pipeline(run.source, context.stages), context.stages);
            if (a->show) return show_question(run, question, ObjectStore(context.runs_dir / "objects"), context.common.json);
            desk.store().decide(run.id, approval_of(*a, question));
            if (!a->later) {
              const int status = desk.go(run.id, false);
              return a->rejected ? 0 : status;
            }
            if (context.common.json) print_json({{"run", run.id}, {"stage", question.stage}, {"shown", question.shown}, {"approved", !a->rejected}});
            else print_line(printable("recorded; go on with `safelight run --resume " + run.id + "`"));
            return 0;
          }};
}

}  // namespace safelight::app
