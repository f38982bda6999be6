#include "insight/sweeps/sweep_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace safelight {
namespace {

Json points_json(const SweepPlan& plan, const std::vector<PointResult>& results) {
  Json out = Json::array();
  for (const PointResult& r : results) {
    Json one = to_json(plan.points[r.point]);
    one.update({{"name", name_of(plan.points[r.point])}, {"cells", r.cells}, {"failed", r.failed}, {"healthy", to_json(r.healthy)}, {"artifact", to_json(r.artifact)},
                {"adherence", to_json(r.adherence)}, {"loss", to_json(r.loss)}, {"evaluations", r.evaluations}, {"pareto", r.pareto}, {"time_ms", r.time_ms}});
    out.push_back(std::move(one));
  }
  return out;
}

Json cells_json(const SweepPlan& plan, const std::vector<CellRecord>& records) {
  Json out = Json::array();
  for (const CellRecord& r : records) {
    const Cell& cell = plan.cells[static_cast<std::size_t>(r.cell)];
    Json one = to_json(r);
    one["point"] = cell.point;
    one["seed"] = cell.seed;
    one["loss"] = r.loss();
    out.push_back(std::move(one));
  }
  return out;
}

Json failures_json(const SweepPlan& plan, const std::vector<CellRecord>& records) {
  Json out = Json::array();
  for (const FailureVector& v : failure_vectors(plan, records, {})) {
    Json one = to_json(v);
    if (const auto s = best_separation(plan, records, v))
      one["separated"] = {{"where", s->region.text()}, {"confined", s->confined}, {"captured", s->captured}, {"inside", to_json(s->inside)}, {"outside", to_json(s->outside)}};
    out.push_back(std::move(one));
  }
  return out;
}

Json regions_json(const SweepPlan& plan, const std::vector<CellRecord>& records) {
  Json out = Json::array();
  std::vector<GridRegion> regions = regions_of(plan);
  regions.insert(regions.begin(), GridRegion{});
  for (const GridRegion& region : regions) {
    const auto inside = [&](const Cell& cell, const CellRecord&) { return region.holds(plan.points[cell.point]); };
    const Groups healthy = grouped(plan, records, inside, [](const CellRecord& r) { return std::optional<double>(r.healthy ? 1.0 : 0.0); });
    std::size_t cells = 0;
    for (const auto& group : healthy) cells += group.size();
    Json vectors = Json::array();
    for (const FailureVector& v : failure_vectors(plan, records, region)) vectors.push_back(to_json(v));
    out.push_back({{"where", region.text()}, {"cells", cells}, {"healthy", to_json(grouped_share(healthy))}, {"failures", vectors}});
  }
  return out;
}

Json recommended_json(const SweepPlan& plan, const std::vector<CellRecord>& records, const std::vector<PointResult>& results) {
  const auto r = recommend(plan, records, results);
  if (!r) return nullptr;
  return {{"faithful", name_of(plan.points[results[r->faithful].point])}, {"fast", name_of(plan.points[results[r->fast].point])},
          {"faithful_point", results[r->faithful].point}, {"fast_point", results[r->fast].point}, {"loss_added", to_json(r->loss_added)},
          {"time_ratio", results[r->fast].time_ms / results[r->faithful].time_ms}};
}

std::string with_interval(const Json& i, int digits = 2) {
  if (!i["value"].is_number()) return "-";
  if (!i["low"].is_number()) return fmt::format("{:.{}f}", i["value"].get<double>(), digits);
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", i["value"].get<double>(), digits, i["low"].get<double>(), digits, i["high"].get<double>(), digits);
}

}  // namespace

Json sweep_report(const SweepSpec& spec, const SweepPlan& plan, std::vector<CellRecord> records) {
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.cell < b.cell; });
  const auto results = point_results(plan, records);
  return {{"format", "safelight-sweep-report/1"}, {"spec", to_json(spec)}, {"shared", sharing(plan)}, {"cells_planned", plan.cells.size()},
          {"recommended", recommended_json(plan, records, results)}, {"failures", failures_json(plan, records)}, {"points", points_json(plan, results)},
          {"regions", regions_json(plan, records)}, {"cells", cells_json(plan, records)}};
}

std::string sweep_text(const Json& report) {
  std::string out = fmt::format("{:<58} {:>8}  {:<20} {:<20} {:<20} {}\n", "setting", "ms", "healthy", "artifact", "adherence", "front");
  for (const Json& p : report["points"])
    out += fmt::format("{:<58} {:>8.0f}  {:<20} {:<20} {:<20} {}{}\n", p["name"].get<std::string>(), p["time_ms"].get<double>(), with_interval(p["healthy"]),
                       with_interval(p["artifact"]), with_interval(p["adherence"]), p["pareto"].get<bool>() ? "*" : "",
                       p["failed"].get<int>() > 0 ? fmt::format(" {} failed", p["failed"].get<int>()) : "");
  if (report["failures"].empty()) out += "No cell was called broken.\n";
  for (const Json& f : report["failures"]) {
    out += fmt::format("failure  {} {}: weight {}, in {} of cells, severity {}", f["subsystem"].get<std::string>(), f["cause"].get<std::string>(),
                       with_interval(f["weight"]), with_interval(f["prevalence"]), with_interval(f["severity"]));
    if (f.contains("separated"))
      out += fmt::format("; {} {} ({:.0f} % of it)", f["separated"]["confined"].get<bool>() ? "confined to" : "most at", f["separated"]["where"].get<std::string>(),
                         100 * f["separated"]["captured"].get<double>());
    out += "\n";
  }
  if (const Json& r = report["recommended"]; r.is_object())
    out += fmt::format("faithful {}\nfast     {}: {:.2f} times the time, loss larger by {}\n", r["faithful"].get<std::string>(), r["fast"].get<std::string>(),
                       r["time_ratio"].get<double>(), with_interval(r["loss_added"]));
  out.pop_back();
  return out;
}

}  // namespace safelight
