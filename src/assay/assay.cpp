#include "assay/assay.h"

#include <chrono>
#include <cmath>
#include <iterator>
#include <set>

#include "assay/strategies.h"
#include "bridge/diagnosis.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_lines.h"
#include "common/base/json_read.h"
#include "common/measure/picture_difference.h"
#include "engine/training/checker/scene_checker.h"
#include "engine/training/recipe.h"

namespace safelight {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int runs_in(const std::filesystem::path& directory) {
  if (!std::filesystem::is_directory(directory)) return 0;
  return static_cast<int>(std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()));
}

bool claims_hold(const Image& image, const std::string& prompt) {
  constexpr int kLeastSide = 32;  // that the checker can read
  if (image.width != image.height || image.width < kLeastSide) return false;
  return check_image(image.pixels.data(), image.width, parse_prompt(prompt)).all();
}

void state_truth(AssayRecord& record, const PlannedRun& planned, const Truth& truth) {
  record.fault = planned.fault->name;
  record.dose = planned.fault->doses[planned.dose];
  record.added_after_freeze = planned.fault->added_after_freeze;
  record.subsystem = truth.subsystem;
  record.also = truth.also;
  record.trigger = truth.trigger;
  record.causes = truth.causes;
  record.stage = truth.stage;
  record.module = truth.module;
}

// The first step whose evaluation the fault acts on.
int first_step(const TraceReader& trace, const Truth& truth) {
  if (truth.from_timestep < 0) return -1;
  for (int step = 0; step < trace.steps_done(); ++step)
    if (trace.nodes()[static_cast<std::size_t>(step)].timestep <= truth.from_timestep) return step;
  return -1;
}

Answer diagnosed(Engine& engine, const std::filesystem::path& run, int counterfactuals) {
  const auto start = Clock::now();
  Answer answer{.said = kUndetermined};
  try {
    answer = answer_of(diagnose_run(engine, run, {.counterfactuals = counterfactuals}, {}));
  } catch (const Error& e) {
    answer.failed = e.what();
  }
  answer.seconds = seconds_since(start);
  answer.reruns = counterfactuals > 0 ? runs_in(run / "counterfactuals") : 0;
  return answer;
}

// The healthy twin of a faulty run, which only the referee sees.
void referee(Engine& healthy, const PlannedRun& planned, const Image& seen, AssayRecord& record) {
  GenerateRequest request = planned.request;
  request.probes = "none";
  const Image twin = planned.fault ? healthy.generate(request, {}, {}, {}).result.images.front() : seen;
  record.pixel_change = comparable(twin, seen) ? mean_difference(twin, seen) : -1;
  record.right_before = claims_hold(twin, planned.request.prompt);
  record.right_after = claims_hold(seen, planned.request.prompt);
}

void require_possible(const AssayPlan& plan) {
  if (plan.count < 1) throw Error(ErrorCode::invalid_argument, "an assay needs at least one run; count is " + std::to_string(plan.count));
  if (plan.shard < 1 || plan.shards < plan.shard)
    throw Error(ErrorCode::invalid_argument, "shard " + std::to_string(plan.shard) + " of " + std::to_string(plan.shards) + ": expected 1 <= i <= n");
  if (plan.counterfactuals < 0) throw Error(ErrorCode::invalid_argument, "counterfactuals is " + std::to_string(plan.counterfactuals) + "; it must not be negative");
}

PromptSource prompts_for(Engine& engine, const std::filesystem::path& model) {
  const auto fits = [components = engine.open(model.string(), "float32")](const std::string& prompt) { return understands(*components, prompt); };
  return {.world = world_of(model), .fits = fits};
}

// Results of different plans must not be mixed; shards of one plan share a directory.
void keep_to_plan(const AssayPlan& plan, const std::filesystem::path& model, const std::filesystem::path& out) {
  const Json own = {{"model", model.filename().string()}, {"count", plan.count}, {"seed", plan.seed}, {"counterfactuals", plan.counterfactuals}, {"faults", fault_table().size()}};
  const auto file = out / "plan.json";
  std::filesystem::create_directories(out);
  if (!std::filesystem::exists(file)) return write_file_atomic(file, own.dump(1) + "\n");
  if (const Json found = read_json(file); found != own)
    throw Error(ErrorCode::conflict, "'" + out.string() + "' holds the runs of another plan (" + found.dump() + "); choose another directory, or ask for the same");
}

}  // namespace

EngineSettings with_fault(EngineSettings settings, const std::filesystem::path& directory, const Injection& injection) {
  if (!injection.damage) return settings;
  settings.wrap = [where = std::filesystem::weakly_canonical(directory), damage = injection.damage](std::shared_ptr<const Components> model) {
    if (std::filesystem::weakly_canonical(model->directory) != where) return model;
    return std::make_shared<const Components>(damage(*model));
  };
  return settings;
}

AssayRecord assay_one(Engine& healthy, const PlannedRun& planned, int counterfactuals, const std::filesystem::path& scratch) {
  std::filesystem::remove_all(scratch);
  const auto model = healthy.open(planned.request);
  AssayRecord record{.id = planned.id, .clean_kind = planned.clean_kind};
  Injection injection{.truth = {}, .request = planned.request, .damage = {}};
  if (planned.fault) {
    injection = inject(*planned.fault, planned.dose, *model, planned.request, planned.seed);
    state_truth(record, planned, injection.truth);
  }
  record.prompt = injection.request.prompt;
  record.negative = injection.request.negative;
  Engine engine(with_fault(healthy.settings(), model->directory, injection));
  const auto run = scratch / "run";
  try {
    const FinishedRun finished = engine.generate(injection.request, {}, run, {});
    referee(healthy, planned, finished.result.images.front(), record);
  } catch (const Error& e) {
    record.refused = e.what();
    record.observed = record.proven = answer_of(refusal(e));
    record.fixed_thresholds = record.blind_swapping = kUndetermined;
    std::filesystem::remove_all(scratch);
    return record;
  }
  const TraceReader trace(run);
  record.step = first_step(trace, injection.truth);
  record.observed = diagnosed(engine, run, 0);
  record.proven = diagnosed(engine, run, counterfactuals);
  record.fixed_thresholds = fixed_thresholds(trace);
  record.blind_swapping = kUndetermined;
  if (const auto baseline = read_baseline(model->directory)) {
    EngineExperiment experiment(engine, scratch / "blind");
    const BlindAnswer blind = blind_swapping(trace, *baseline, experiment, counterfactuals);
    record.blind_swapping = blind.said;
    record.blind_reruns = blind.reruns;
  }
  std::filesystem::remove_all(scratch);
  return record;
}

AssayProgress run_assay(const EngineSettings& settings, const AssayOptions& options) {
  const auto start = Clock::now();
  require_possible(options.plan);
  Engine engine(settings);
  const auto model = engine.find_model(options.plan.model);
  keep_to_plan(options.plan, model, options.out);
  const std::string shard = std::to_string(options.plan.shard) + "-of-" + std::to_string(options.plan.shards);
  const auto file = options.out / ("runs-" + shard + ".jsonl");
  JsonLines lines(file, "another process works on shard " + shard + " of the assay in '" + options.out.string() + "'; wait for it or stop it");
  std::set<std::string> finished;
  lines.read([&](const Json& line, const std::string& where) { finished.insert(record_from_json(line, where).id); });
  const std::vector<PlannedRun> runs = plan_runs(options.plan, prompts_for(engine, model));
  AssayProgress progress{.done = 0, .total = static_cast<int>(runs.size())};
  for (const PlannedRun& planned : runs) progress.done += finished.contains(planned.id);
  for (PlannedRun planned : runs) {
    if (finished.contains(planned.id)) continue;
    if ((options.stop && options.stop()) || (options.budget_min > 0 && seconds_since(start) > 60 * options.budget_min)) break;
    planned.request.model = model.string();
    lines.append(to_json(assay_one(engine, planned, options.plan.counterfactuals, options.out / ("scratch-" + shard))));
    ++progress.done;
    if (options.progress) options.progress(progress.done, progress.total, planned.fault ? planned.fault->name : "clean: " + planned.clean_kind);
  }
  return progress;
}

}  // namespace safelight
