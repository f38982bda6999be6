#include "insight/sweeps/operating_points.h"

#include <algorithm>
#include <tuple>

namespace safelight {
namespace {

double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v.size() % 2 ? v[v.size() / 2] : 0.5 * (v[v.size() / 2 - 1] + v[v.size() / 2]);
}

void add_times(const SweepPlan& plan, const std::vector<CellRecord>& records, std::vector<PointResult>& results) {
  std::map<std::string, std::vector<double>> per_evaluation, rest;   // by model; by model and decoder
  const auto with_decoder = [](const OperatingPoint& p) { return p.directory + "|" + p.decoder; };
  for (const CellRecord& r : records) {
    if (r.failed() || r.evaluations <= 0) continue;
    const OperatingPoint& p = plan.points[plan.cells[static_cast<std::size_t>(r.cell)].point];
    per_evaluation[p.directory].push_back(r.time_denoise_ms / static_cast<double>(r.evaluations));
    rest[with_decoder(p)].push_back(r.time_ms - r.time_denoise_ms);
  }
  for (PointResult& r : results) {
    const OperatingPoint& p = plan.points[r.point];
    if (r.evaluations > 0) r.time_ms = static_cast<double>(r.evaluations) * median(per_evaluation[p.directory]) + median(rest[with_decoder(p)]);
  }
}

void mark_front(std::vector<PointResult>& results) {
  std::vector<PointResult*> order;
  for (PointResult& r : results)
    if (r.time_ms > 0) order.push_back(&r);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return std::tuple(a->time_ms, a->loss.value) < std::tuple(b->time_ms, b->loss.value); });
  double best = 2;
  for (PointResult* r : order)
    if (r->loss.value < best) r->pareto = true, best = r->loss.value;
}

// Loss of one setting minus another's, one value per seed that both have.
Interval paired(const SweepPlan& plan, const std::vector<CellRecord>& records, std::size_t point, std::size_t against) {
  std::map<std::uint64_t, std::pair<std::optional<double>, std::optional<double>>> by_seed;
  for (const CellRecord& r : records) {
    const Cell& cell = plan.cells[static_cast<std::size_t>(r.cell)];
    if (cell.point == point) by_seed[cell.seed].first = r.loss();
    if (cell.point == against) by_seed[cell.seed].second = r.loss();
  }
  Groups differences;
  for (const auto& [seed, pair] : by_seed)
    if (pair.first && pair.second) differences.push_back({*pair.first - *pair.second});
  return bootstrap_mean(differences);
}

}  // namespace

std::vector<PointResult> point_results(const SweepPlan& plan, const std::vector<CellRecord>& records) {
  std::vector<PointResult> out;
  for (std::size_t p = 0; p < plan.points.size(); ++p) {
    PointResult result{.point = p};
    for (const CellRecord& r : records) {
      if (plan.cells[static_cast<std::size_t>(r.cell)].point != p) continue;
      ++result.cells;
      result.failed += r.failed();
      result.evaluations = std::max(result.evaluations, r.evaluations);
    }
    if (result.cells == 0) continue;
    const auto here = [p](const Cell& cell, const CellRecord&) { return cell.point == p; };
    result.healthy = grouped_share(grouped(plan, records, here, [](const CellRecord& r) { return std::optional<double>(r.healthy ? 1.0 : 0.0); }));
    result.artifact = bootstrap_mean(grouped(plan, records, here, [](const CellRecord& r) { return r.artifact; }));
    result.adherence = bootstrap_mean(grouped(plan, records, here, [](const CellRecord& r) { return r.adherence; }));
    result.loss = bootstrap_mean(grouped(plan, records, here, [](const CellRecord& r) { return std::optional(r.loss()); }));
    out.push_back(result);
  }
  add_times(plan, records, out);
  mark_front(out);
  return out;
}

std::optional<Recommendation> recommend(const SweepPlan& plan, const std::vector<CellRecord>& records, const std::vector<PointResult>& results) {
  // What the verdicts call broken more often than not is not recommended, unless there is nothing else.
  const auto sound = [](const PointResult& r) { return r.time_ms > 0 && r.healthy.value >= 0.5; };
  const bool any_sound = std::any_of(results.begin(), results.end(), sound);
  const auto usable = [&](std::size_t i) { return any_sound ? sound(results[i]) : results[i].time_ms > 0; };
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < results.size(); ++i)
    if (usable(i) && (!best || results[i].loss.value < results[*best].loss.value)) best = i;
  if (!best) return std::nullopt;
  const auto cheaper = [&](std::size_t a, std::size_t b) {
    return std::tuple(results[a].time_ms, results[a].loss.value, a) < std::tuple(results[b].time_ms, results[b].loss.value, b);
  };
  Recommendation out{.faithful = *best, .fast = *best};
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!usable(i)) continue;
    const Interval added = paired(plan, records, results[i].point, results[*best].point);
    if (added.low <= 0 && cheaper(i, out.faithful)) out.faithful = i;   // one seed has no interval and tells nothing
  }
  out.fast = out.faithful;
  for (std::size_t i = 0; i < results.size(); ++i)
    if (usable(i) && results[i].loss.value - results[out.faithful].loss.value <= kTradedLoss && cheaper(i, out.fast)) out.fast = i;
  out.loss_added = paired(plan, records, results[out.fast].point, results[out.faithful].point);
  return out;
}

}  // namespace safelight
