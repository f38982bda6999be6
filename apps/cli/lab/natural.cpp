// Failures that nobody planted: pictures that the checker calls wrong at the recommended setting, and whether the verdict names what cures them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "apps/cli/context.h"
#include "apps/cli/lab/natural_case.h"
#include "apps/cli/lab/natural_page.h"
#include "apps/cli/lab/natural_score.h"
#include "apps/cli/shard.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_lines.h"
#include "common/base/json_read.h"
#include "engine/training/recipe.h"

namespace safelight::app {
namespace {

constexpr int kMostPrompts = 1000;   // of a task

struct Arguments {
  std::string model = "signs-base", shard = "1/1", out;
  std::vector<std::string> tasks;
  int count = 50, controls = 25, counterfactuals = 25, skip = 0;
  double budget_min = 0;
};

struct Candidate {
  EvalPrompt prompt;
  std::string id;
  std::uint64_t seed = 0;
};

// Task after task and then the next prompt of each, so that any number reached is even over the tasks.
std::vector<Candidate> candidates(const std::vector<std::string>& tasks, const SceneOptions& world, const Shard& shard, std::size_t skip) {
  std::vector<std::vector<EvalPrompt>> prompts;
  for (const std::string& task : tasks) prompts.push_back(eval_prompts(task, world, kMostPrompts));
  std::vector<Candidate> out;
  int number = 0;
  for (std::size_t i = skip; i < static_cast<std::size_t>(kMostPrompts); ++i)
    for (const auto& of_task : prompts)
      if (i < of_task.size() && number++ % shard.of == shard.index - 1) out.push_back({of_task[i], fmt::format("{}-{:04}", of_task[i].task, i), i});
  return out;
}

class NaturalLab {
 public:
  NaturalLab(const Arguments& a, Context& context)
      : a_(a), context_(context), shard_(shard_of(a.shard)), plan_{.model = context.engine().find_model(a.model).string(), .counterfactuals = a.counterfactuals, .out = a.out} {
    if (plan_.model.find('/') == std::string::npos) plan_.model = "./" + plan_.model;
    const SceneOptions world = world_of(plan_.model);
    tasks_ = a.tasks.empty() ? eval_tasks(world) : a.tasks;
    candidates_ = candidates(tasks_, world, shard_, static_cast<std::size_t>(a.skip));
    keep_to_plan();
  }

  void run() {
    const auto start = std::chrono::steady_clock::now();
    const std::string name = fmt::format("{}-of-{}", shard_.index, shard_.of);
    JsonLines lines(plan_.out / ("cases-" + name + ".jsonl"), "another process works on shard " + name + " in '" + plan_.out.string() + "'; wait for it or stop it");
    std::set<std::string> known;
    lines.read([&](const Json& line, const std::string& where) {
      const NaturalCase c = natural_case_from_json(line, where);
      known.insert(c.id);
      count(c);
    });
    ProgressBar bar(true);
    const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
    const int before = wrong_;
    for (const Candidate& c : candidates_) {
      if (finished() || stop_requested() || (a_.budget_min > 0 && seconds() > 60 * a_.budget_min)) break;
      if (known.contains(c.id)) continue;
      try {
        const NaturalCase done = natural_case(context_, plan_, c.prompt, c.id, c.seed, [&](bool right) { return right ? right_ < controls() : wrong_ < failures(); });
        lines.append(to_json(done));
        count(done);
      } catch (const Error& e) {
        if (e.code() != ErrorCode::cancelled) throw;
        break;
      }
      const double left = wrong_ > before ? seconds() / (wrong_ - before) * (failures() - wrong_) : 0;
      bar.show("looking for failures", static_cast<double>(wrong_) / failures(), left, fmt::format("{} of {}, {},", wrong_, failures(), c.prompt.task));
    }
  }

  bool finished() const { return wrong_ >= failures() && right_ >= controls(); }
  int failures() const { return (a_.count + shard_.of - 1) / shard_.of; }
  int controls() const { return (a_.controls + shard_.of - 1) / shard_.of; }
  int wrong() const { return wrong_; }

 private:
  void count(const NaturalCase& c) {
    if (c.tested) ++(c.right ? right_ : wrong_);
  }

  // Verdicts of different settings must not be mixed; shards of one plan share a directory, and a greater count goes on.
  void keep_to_plan() const {
    const Json own = {{"model", std::filesystem::path(plan_.model).filename().string()}, {"tasks", tasks_}, {"counterfactuals", a_.counterfactuals}, {"skip", a_.skip}};
    const auto file = plan_.out / "plan.json";
    std::filesystem::create_directories(plan_.out);
    if (!std::filesystem::exists(file)) return write_file_atomic(file, own.dump(1) + "\n");
    if (const Json found = read_json(file); found != own)
      throw Error(ErrorCode::conflict, "'" + plan_.out.string() + "' holds the cases of another plan (" + found.dump() + "); choose another directory, or ask for the same");
  }

  const Arguments& a_;
  Context& context_;
  Shard shard_;
  NaturalPlan plan_;
  std::vector<std::string> tasks_;
  std::vector<Candidate> candidates_;
  int wrong_ = 0, right_ = 0;   // tested
};

int natural(const Arguments& a, Context& context) {
  if (a.out.empty()) throw Error(ErrorCode::invalid_argument, "--out DIR is missing: where the cases and their page go");
  catch_interrupts();
  NaturalLab lab(a, context);
  lab.run();
  const std::filesystem::path out = a.out;
  const std::vector<NaturalCase> cases = stored_cases(out);
  Json report = {{"model", a.model}, {"counterfactuals", a.counterfactuals}, {"skip", a.skip}, {"shard", a.shard}, {"finished", lab.finished()}};
  report.update(natural_score(cases));
  write_file_atomic(out / "score.json", report.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  write_file_atomic(out / "cases.html", natural_page("Natural failures of " + a.model, natural_text(report), cases, out));
  if (!lab.finished()) note(fmt::format("stopped after {} of {} failures; the same command goes on", lab.wrong(), lab.failures()));
  if (context.common.json) print_json(report);
  else
    for (const std::string& line : natural_text(report)) print_line(line);
  return 0;
}

}  // namespace

Command lab_natural(CLI::App& lab, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("natural", "Measure the diagnosis on pictures that are wrong by themselves: does the verdict name what cures them?");
  c->add_option("model", a->model, "name or directory");
  c->add_option("--count", a->count, "wrong pictures that are diagnosed")->check(CLI::Range(1, 100'000));
  c->add_option("--controls", a->controls, "right pictures that are treated in the same way")->check(CLI::Range(0, 100'000));
  c->add_option("--counterfactuals", a->counterfactuals, "reruns that each verdict may spend")->check(CLI::Range(0, 1000));
  c->add_option("--tasks", a->tasks, "tasks, comma separated; without it all that the model's world knows")->delimiter(',');
  c->add_option("--skip", a->skip, "prompts of each task that are passed over: a sample that nothing was chosen by")->check(CLI::Range(0, kMostPrompts - 1));
  c->add_option("--shard", a->shard, "i/n: every n-th prompt from the i-th on; shards share --out");
  c->add_option("--budget", a->budget_min, "minutes after which no further picture is begun; 0: no limit")->check(CLI::NonNegativeNumber);
  c->add_option("--out", a->out, "directory for cases-I-of-N.jsonl, score.json and cases.html; goes on where it stopped");
  return {c, [a, &context] { return natural(*a, context); }};
}

}  // namespace safelight::app
