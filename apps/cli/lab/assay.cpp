#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "apps/cli/context.h"
#include "apps/cli/shard.h"
#include "assay/assay.h"
#include "assay/confusion.h"
#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string model = "signs-nano", shard = "1/1", out;
  AssayPlan plan;
  double budget_min = 0;
  bool list = false;
};

// Of every shard that wrote into the directory.
std::vector<AssayRecord> all_records(const std::filesystem::path& out) {
  std::vector<AssayRecord> records;
  for (const auto& file : shard_files(out, "runs-"))
    for (AssayRecord& record : read_records(file)) records.push_back(std::move(record));
  return records;
}

std::string rate_text(const Json& rate) {
  if (rate["of"] == 0) return "none";
  return fmt::format("{:.1f} % ({} of {}; {:.1f}-{:.1f})", 100 * rate["share"].get<double>(), rate["right"].get<int>(), rate["of"].get<int>(),
                     100 * rate["low"].get<double>(), 100 * rate["high"].get<double>());
}

void print_scores(const std::string& title, const Json& scores) {
  print_line(title);
  const Json &with = scores["with_counterfactuals"], &without = scores["observed_only"], &simple = scores["strategies"];
  for (const auto& [key, label] : {std::pair{"subsystem_top1", "subsystem, first"}, {"subsystem_top2", "subsystem, first two"}, {"cause", "cause"}, {"trigger", "trigger"},
                                   {"stage", "stage"}, {"module", "module"}, {"step_within_one", "first bad step within 1"}, {"false_alarms", "false alarms"}})
    print_line(fmt::format("  {:<26} {:<36} observed only: {}", label, rate_text(with[key]), rate_text(without[key])));
  print_line(fmt::format("  {:<26} {:<36.3f} observed only: {:.3f}", "calibration error", with["expected_calibration_error"].get<double>(), without["expected_calibration_error"].get<double>()));
  print_line(fmt::format("  {:<26} {:.2f} s and {:.1f} reruns; {:.2f} s a right one", "a verdict costs", with["seconds_per_verdict"].get<double>(), with["reruns_per_verdict"].get<double>(),
                         with["seconds_per_right_verdict"].get<double>()));
  for (const auto& [key, label] : {std::pair{"most_common_subsystem", "most common subsystem"}, {"fixed_thresholds", "fixed thresholds"}, {"blind_swapping", "blind swapping"}})
    print_line(fmt::format("  {:<26} {}", label, rate_text(simple[key])));
}

void print_faults(const Json& faults) {
  print_line("By fault:");
  for (const Json& f : faults) {
    const Json& change = f["mean_pixel_change"];
    print_line(fmt::format("  {:<28} {:<16}{} {} of {}   change {:<6} said {}", f["fault"].get<std::string>(), f["subsystem"].get<std::string>(),
                           f["added_after_freeze"].get<bool>() ? "*" : " ", f["subsystem_top1"]["right"].get<int>(), f["subsystem_top1"]["of"].get<int>(),
                           change.is_null() ? "size" : fmt::format("{:.1f}", change.get<double>()), f["said"].dump()));
  }
  print_line("  * added after the detectors were frozen; change: mean over all pixels, of 255");
}

int list_faults(const Context& context) {
  Json faults = Json::array();
  for (const FaultEntry& f : fault_table()) {
    faults.push_back({{"name", f.name}, {"summary", f.summary}, {"subsystem", f.truth.subsystem}, {"also", f.truth.also}, {"trigger", f.truth.trigger}, {"doses", f.doses},
                      {"unit", f.unit}, {"added_after_freeze", f.added_after_freeze}});
    if (!context.common.json) print_line(fmt::format("{:<28} {:<16}{} {} ({} {})", f.name, f.truth.subsystem, f.added_after_freeze ? "*" : " ", f.summary, fmt::join(f.doses, ", "), f.unit));
  }
  if (context.common.json) print_json({{"faults", faults}});
  else print_line("* added after the detectors were frozen");
  return 0;
}

int assay(const Arguments& a, Context& context) {
  if (a.list) return list_faults(context);
  if (a.out.empty()) throw Error(ErrorCode::invalid_argument, "--out DIR is missing: where the runs and the score go");
  AssayOptions options{.plan = a.plan, .out = a.out, .budget_min = a.budget_min, .progress = {}, .stop = stop_requested};
  options.plan.model = a.model;
  const Shard shard = shard_of(a.shard);
  options.plan.shard = shard.index;
  options.plan.shards = shard.of;
  catch_interrupts();
  const auto start = std::chrono::steady_clock::now();
  AssayProgress reached;
  {
    ProgressBar bar(true);
    int before = -1;  // runs that were there already cost nothing now
    options.progress = [&](int done, int total, const std::string& what) {
      if (before < 0) before = done - 1;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      bar.show("assay", static_cast<double>(done) / total, seconds / (done - before) * (total - done), fmt::format("{} of {}, {},", done, total, what));
    };
    reached = run_assay(context.engine().settings(), options);
  }
  const std::vector<AssayRecord> records = all_records(a.out);
  Json report = {{"model", a.model}, {"seed", a.plan.seed}, {"counterfactuals", a.plan.counterfactuals}, {"shard", a.shard}, {"done", reached.done}, {"of", reached.total},
                 {"finished", reached.done == reached.total}};
  report.update(score_report(records));
  const std::filesystem::path out = a.out;
  write_file_atomic(out / "score.json", report.dump(1) + "\n");
  write_file_atomic(out / "confusion.svg", svg_of(confusion_of(records, &AssayRecord::proven), fmt::format("Verdicts on {} runs of {}", records.size(), a.model)));
  if (reached.done < reached.total) note(fmt::format("stopped after {} of {} runs; the same command goes on", reached.done, reached.total));
  if (context.common.json) {
    print_json(report);
    return 0;
  }
  print_scores("Faults added after the detectors were frozen", report["held_out"]);
  print_scores("All faults", report["all"]);
  print_scores(fmt::format("Faults that change the picture by {:.0f} of 255 or more", report["visible"]["least_pixel_change"].get<double>()), report["visible"]["scores"]);
  print_faults(report["faults"]);
  return 0;
}

}  // namespace

Command lab_assay(CLI::App& lab, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("assay", "Break a model in known ways and measure how often the diagnosis finds out");
  c->add_option("model", a->model, "name or directory");
  c->add_option("--count", a->plan.count, "faulty runs, and as many clean ones")->check(CLI::Range(1, 1'000'000));
  c->add_option("--seed", a->plan.seed, "of prompts, pictures and faults");
  c->add_option("--counterfactuals", a->plan.counterfactuals, "reruns that each verdict may spend")->check(CLI::Range(0, 1000));
  c->add_option("--shard", a->shard, "i/n: every n-th pair of runs from the i-th on; shards share --out");
  c->add_option("--budget", a->budget_min, "minutes after which no further run is begun; 0: no limit")->check(CLI::NonNegativeNumber);
  c->add_option("--out", a->out, "directory for runs-I-of-N.jsonl, score.json and confusion.svg; goes on where it stopped");
  c->add_flag("--list", a->list, "print the catalogue of faults, and run nothing");
  return {c, [a, &context] { return assay(*a, context); }};
}

}  // namespace safelight::app
