#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "apps/cli/context.h"
#include "apps/cli/lab/assay_report.h"
#include "apps/cli/shard.h"
#include "apps/console/seed_option.h"
#include "assay/assay.h"
#include "assay/confusion.h"
#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string model = "signs-nano", shard = "1/1", out, page;
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
  const std::string confusion = svg_of(confusion_of(records, &AssayRecord::proven), fmt::format("Verdicts on {} runs of {}", records.size(), std::filesystem::path(a.model).filename().string()));
  write_file_atomic(out / "confusion.svg", confusion);
  if (!a.page.empty()) {
    std::filesystem::create_directories(a.page);
    write_file_atomic(std::filesystem::path(a.page) / "confusion.svg", confusion);
    write_file_atomic(std::filesystem::path(a.page) / "assay.md", assay_page(report));
  }
  if (reached.done < reached.total) note(fmt::format("stopped after {} of {} runs; the same command goes on", reached.done, reached.total));
  if (context.common.json) {
    print_json(report);
    return 0;
  }
  for (const std::string& line : assay_lines(report)) print_line(line);
  return 0;
}

}  // namespace

Command lab_assay(CLI::App& lab, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("assay", "Break a model in known ways and measure how often the diagnosis finds out");
  c->add_option("model", a->model, "name or directory");
  c->add_option("--count", a->plan.count, "faulty runs, and as many clean ones")->check(CLI::Range(1, 1'000'000));
  c->add_option("--seed", a->plan.seed, "of prompts, pictures and faults")->check(is_seed());
  c->add_option("--counterfactuals", a->plan.counterfactuals, "reruns that each verdict may spend")->check(CLI::Range(0, 1000));
  c->add_option("--shard", a->shard, "i/n: every n-th pair of runs from the i-th on; shards share --out");
  c->add_option("--budget", a->budget_min, "minutes after which no further run is begun; 0: no limit")->check(CLI::NonNegativeNumber);
  c->add_option("--out", a->out, "directory for runs-I-of-N.jsonl, score.json and confusion.svg; goes on where it stopped");
  c->add_option("--page", a->page, "directory for assay.md and its picture: the page to publish, of all that --out holds");
  c->add_flag("--list", a->list, "print the catalogue of faults, and run nothing");
  return {c, [a, &context] { return assay(*a, context); }};
}

}  // namespace safelight::app
