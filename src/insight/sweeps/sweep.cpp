#include "insight/sweeps/sweep.h"

#include <fmt/format.h>

#include <chrono>
#include <map>

#include "common/base/error.h"
#include "common/base/io.h"
#include "insight/diagnosis/diagnose.h"
#include "insight/sweeps/sweep_report.h"

namespace safelight {
namespace {

double stage_ms(const Json& run, const std::string& name) {
  for (const Json& s : run.value("stages", Json::array()))
    if (s.value("name", "") == name) return s.value("ms", 0.0);
  return 0;
}

class Sweep {
 public:
  Sweep(const SweepSpec& spec, const SweepPlan& plan, SweepStore& store, CellRunner& runner, const SweepCalls& calls)
      : spec_(spec), plan_(plan), store_(store), runner_(runner), calls_(calls), done_(plan.cells.size(), false) {
    for (const CellRecord& r : store.records()) accept(r);
  }

  void run() {
    for (const Cell& cell : plan_.cells) {
      if (done_[static_cast<std::size_t>(cell.index)]) continue;
      tell(name_of(plan_.points[cell.point]));
      store_.append(run_cell(cell));
      accept(store_.records().back());
      ++new_cells_;
      const CellRecord& r = store_.records().back();
      if (r.failed() && calls_.complain) calls_.complain(fmt::format("cell {} ({}, seed {}): {}", cell.index, name_of(plan_.points[cell.point]), cell.seed, r.error));
    }
    tell("");
  }

 private:
  // A stored record must belong to this plan, and all cells of a model must have been made with the same weights.
  void accept(const CellRecord& r) {
    if (r.cell < 0 || static_cast<std::size_t>(r.cell) >= plan_.cells.size() || done_[static_cast<std::size_t>(r.cell)])
      throw Error(ErrorCode::corrupt_file, fmt::format("cells.jsonl names cell {}, which is not of this sweep or stands there twice", r.cell));
    const Cell& cell = plan_.cells[static_cast<std::size_t>(r.cell)];
    done_[static_cast<std::size_t>(r.cell)] = true;
    ++finished_;
    failed_ += r.failed();
    if (r.failed()) return;
    require_as_asked(r.executed, plan_.points[cell.point], cell.seed);
    hashes_.emplace(hash_key(plan_.points[cell.point]), r.executed.model_hash);
  }

  // Another decoder is another weight file.
  static std::string hash_key(const OperatingPoint& p) { return p.directory + "|" + p.decoder; }

  CellRecord run_cell(const Cell& cell) {
    const OperatingPoint& point = plan_.points[cell.point];
    CellRecord r{.cell = cell.index, .run = fmt::format("cells/{:05}", cell.index)};
    const auto directory = store_.directory() / r.run;
    std::filesystem::remove_all(directory);  // what a killed attempt left
    try {
      const CellRunner::Outcome outcome = runner_.run(spec_.request, point, cell.seed, directory);
      const TraceReader trace(directory);
      r.executed = executed_of(trace);
      require_as_asked(r.executed, point, cell.seed);
      const auto known = hashes_.find(hash_key(point));
      if (known != hashes_.end() && known->second != r.executed.model_hash)
        throw Error(ErrorCode::conflict, "the model's weight files changed during the sweep; begin a new one");
      take_verdict(r, outcome.verdict);
      r.adherence = outcome.adherence;
      r.evaluations = outcome.evaluations;
      r.time_ms = trace.run().value("total_ms", 0.0);
      r.time_denoise_ms = stage_ms(trace.run(), "denoise");
    } catch (const Error& e) {
      if (e.code() == ErrorCode::cancelled) throw;
      r.error_code = name(e.code());
      r.error = e.what();
      take_verdict(r, refusal(e));
      r.severity = 1;
    }
    return r;
  }

  void tell(const std::string& next) const {
    if (!calls_.progress) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const int total = static_cast<int>(plan_.cells.size());
    calls_.progress({.done = finished_, .total = total, .failed = failed_,
                     .seconds_left = new_cells_ > 0 ? seconds / new_cells_ * (total - finished_) : 0, .cell = next});
  }

  const SweepSpec& spec_;
  const SweepPlan& plan_;
  SweepStore& store_;
  CellRunner& runner_;
  const SweepCalls& calls_;
  std::vector<bool> done_;
  std::map<std::string, std::string> hashes_;   // model and decoder -> hash of the first cell's weights
  int finished_ = 0, failed_ = 0, new_cells_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Json run_sweep(const SweepSpec& spec, const std::filesystem::path& directory, CellRunner& runner, const SweepCalls& calls) {
  std::vector<OperatingPoint> points = points_asked(spec);
  for (OperatingPoint& p : points) p = runner.settle(spec.request, p);
  const SweepPlan plan = plan_of(std::move(points), spec.seeds);
  SweepStore store(directory, to_json(spec));
  Sweep(spec, plan, store, runner, calls).run();
  Json report = sweep_report(spec, plan, store.records());
  write_file_atomic(directory / "report.json", report.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  return report;
}

}  // namespace safelight
