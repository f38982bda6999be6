#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "apps/cli/lab/knobs_draw.h"
#include "apps/cli/lab/knobs_page.h"
#include "common/base/error.h"

namespace safelight::app {
namespace {

// Shows how far the work is; what stood in the file when it began took no time.
class KnobProgress {
 public:
  void expect(int total) { total_ = total; }
  void stored(int n) { done_ += n, stored_ += n; }
  void made(int n, const std::string& what) {
    done_ += n;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double left = seconds / std::max(done_ - stored_, 1) * (total_ - done_);
    bar_.show("measuring", static_cast<double>(done_) / std::max(total_, 1), left, fmt::format("{}, {} of {},", what, done_, total_));
  }
  int done() const { return done_; }
  int total() const { return total_; }

 private:
  int total_ = 0, done_ = 0, stored_ = 0;
  ProgressBar bar_{true};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Before anything is computed here, as its child processes need.
void measure_costs(const KnobPlan& plan, CellFile& cells, Context& context, KnobProgress& progress) {
  const auto once = [&](const Json& key, const std::string& what, const std::function<Json()>& measure) {
    if (cells.find(key)) return progress.stored(1);
    if (stop_requested()) return;
    cells.add(key, measure());
    progress.made(1, what);
  };
  for (const Subject& s : plan.subjects) once(cost_key(s, plan, context.threads), "time and memory", [&] { return measured_cost(s, plan, context); });
  for (const Codec& c : plan.codecs) once(codec_key(c, plan, context.threads), "autoencoder " + c.name, [&] { return measured_codec(c, plan, context); });
}

void measure_pictures(const KnobPlan& plan, CellFile& cells, Context& context, KnobProgress& progress) {
  const std::vector<KnobCell> wanted = cells_of(plan);
  int total = static_cast<int>(plan.subjects.size() + plan.codecs.size());
  for (const KnobCell& cell : wanted) {
    total += cell.seeds;
    if (cells.find(key_of(cell, plan))) progress.stored(cell.seeds);
  }
  progress.expect(total);
  KnobPainter painter(plan, context);
  for (const KnobCell& cell : wanted) {
    const Json key = key_of(cell, plan);
    if (cells.find(key)) continue;
    if (stop_requested()) return;
    cells.add(key, painter.measured(cell));
    progress.made(cell.seeds, cell.prompt.task);
  }
}

// An interrupt ends the work early; what was reached is shown.
void until_interrupted(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    if (e.code() != ErrorCode::cancelled) throw;
  }
}

int knobs(const KnobOptions& options, Context& context) {
  catch_interrupts();
  KnobPlan plan = plan_knobs(options, context);
  const std::filesystem::path out = options.out;
  std::filesystem::create_directories(out);
  CellFile cells(out / "cells.jsonl");
  KnobRun run{.done = 0, .total = 0, .threads = context.threads};
  {
    KnobProgress progress;
    progress.expect(static_cast<int>(plan.subjects.size() + plan.codecs.size()));
    until_interrupted([&] { measure_costs(plan, cells, context, progress); });
    unify_settings(plan, context);
    until_interrupted([&] { measure_pictures(plan, cells, context, progress); });
    run.done = progress.done();
    run.total = progress.total();
  }
  const Json json = write_knob_page(out, plan, cells, run);
  if (!json["finished"].get<bool>()) note(fmt::format("stopped after {} of {}; the same command goes on from there", run.done, run.total));
  for (const Json& word : json["unknown_words"]) note("a model does not know the word '" + word.get<std::string>() + "'");
  if (context.common.json) print_json(json);
  else print_line((out / "knobs.md").string());
  return 0;
}

}  // namespace

Command lab_knobs(CLI::App& lab, Context& context) {
  auto o = std::make_shared<KnobOptions>();
  CLI::App* c = lab.add_subcommand("knobs", "Measure how guidance, steps, latents, upscaler and text encoder behave, and write one page about it");
  c->add_option("model", o->model, "name or directory");
  c->add_option("--out", o->out, "directory for knobs.md, its plots, knobs.json and cells.jsonl, from which a second call goes on")->required();
  c->add_option("--count", o->count, "prompts per task")->check(CLI::Range(1, 100'000));
  c->add_option("--seeds", o->seeds, "pictures per prompt, of the seeds 0, 1, ...")->check(CLI::Range(1, 1000));
  c->add_option("--tasks", o->tasks, "tasks, comma separated; without it all that the model's world knows")->delimiter(',');
  c->add_option("--guidance", o->guidance, "guidance scales, comma separated")->delimiter(',');
  c->add_option("--steps", o->steps, "numbers of steps, comma separated")->delimiter(',');
  c->add_option("--low-guidance", o->low_guidance, "low guidance scales that are tried with more steps, comma separated")->delimiter(',');
  c->add_option("--many-steps", o->many_steps, "numbers of steps that low guidance is tried with, comma separated")->delimiter(',');
  c->add_option("--compare", o->compare, "NAME=MODEL: another model of the same world; may be repeated")->allow_extra_args(false);
  c->add_option("--upscaler", o->upscaler, "an upscaler that every model is also shown with");
  c->add_option("--autoencoder", o->autoencoders, "NAME=MODEL: a model whose autoencoder is measured by itself, on scenes; may be repeated")->allow_extra_args(false);
  c->add_option("--factor", o->factor, "of the upscaler: times the side; without it that of one pass")->check(CLI::Range(2, 16));
  return {c, [o, &context] { return knobs(*o, context); }};
}

}  // namespace safelight::app
