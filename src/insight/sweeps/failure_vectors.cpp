#include "insight/sweeps/failure_vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace safelight {
namespace {

constexpr double kConfined = 0.95;

using Key = std::pair<std::string, std::string>;

// Nothing for a healthy cell.
std::optional<Key> blamed(const CellRecord& r) {
  if (r.healthy) return std::nullopt;
  if (r.undetermined || r.subsystem.empty()) return Key{"undetermined", ""};
  return Key{r.subsystem, r.cause};
}

FailureVector measure(const SweepPlan& plan, const std::vector<CellRecord>& records, const GridRegion& region, bool inside, const Key& key) {
  const auto in_region = [&](const Cell& cell, const CellRecord&) { return region.holds(plan.points[cell.point]) == inside; };
  const auto named = [&](const CellRecord& r) { return blamed(r) == key; };
  return {.subsystem = key.first, .cause = key.second,
          .prevalence = grouped_share(grouped(plan, records, in_region, [&](const CellRecord& r) { return std::optional<double>(named(r) ? 1.0 : 0.0); })),
          .severity = bootstrap_mean(grouped(plan, records, in_region, [&](const CellRecord& r) { return named(r) ? std::optional(r.severity) : std::nullopt; })),
          .weight = bootstrap_mean(grouped(plan, records, in_region, [&](const CellRecord& r) { return std::optional<double>(named(r) ? r.severity : 0.0); }))};
}

double number_of(const OperatingPoint& p, const std::string& axis) { return axis == "steps" ? p.steps : p.guidance; }

std::string word_of(const OperatingPoint& p, const std::string& axis) {
  return axis == "model" ? p.model : axis == "decoder" ? p.decoder : p.scheduler;
}

}  // namespace

bool GridRegion::holds(const OperatingPoint& p) const {
  if (axis.empty()) return true;
  if (axis != "steps" && axis != "guidance") return word_of(p, axis) == value;
  const double v = number_of(p, axis);
  return relation == ">" ? v > threshold : relation == "<=" ? v <= threshold : v == threshold;
}

std::string GridRegion::text() const {
  if (axis.empty()) return "everywhere";
  const bool number = axis == "steps" || axis == "guidance";
  return axis + " " + relation + " " + (number ? fmt::format("{}", threshold) : value);
}

std::vector<FailureVector> failure_vectors(const SweepPlan& plan, const std::vector<CellRecord>& records, const GridRegion& region) {
  std::set<Key> keys;
  for (const CellRecord& r : records)
    if (const auto key = blamed(r); key && region.holds(plan.points[plan.cells[static_cast<std::size_t>(r.cell)].point])) keys.insert(*key);
  std::vector<FailureVector> out;
  for (const Key& key : keys) out.push_back(measure(plan, records, region, true, key));
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.weight.value > b.weight.value; });
  return out;
}

Json to_json(const FailureVector& v) {
  return {{"subsystem", v.subsystem}, {"cause", v.cause}, {"weight", to_json(v.weight)}, {"prevalence", to_json(v.prevalence)}, {"severity", to_json(v.severity)}};
}

std::vector<GridRegion> regions_of(const SweepPlan& plan) {
  std::vector<GridRegion> out;
  for (const char* axis : {"model", "decoder", "scheduler"}) {
    std::set<std::string> values;
    for (const OperatingPoint& p : plan.points) values.insert(word_of(p, axis));
    if (values.size() > 1)
      for (const std::string& v : values) out.push_back({axis, "=", v, 0});
  }
  for (const char* axis : {"steps", "guidance"}) {
    std::set<double> values;
    for (const OperatingPoint& p : plan.points) values.insert(number_of(p, axis));
    if (values.size() < 2) continue;
    for (const double v : values) {
      if (v == *values.rbegin()) break;
      out.push_back({axis, "<=", "", v});
      out.push_back({axis, ">", "", v});
    }
    // After the thresholds: of two regions that hold the same cells, "guidance > 10" says more than "guidance = 15".
    for (const double v : values) out.push_back({axis, "=", "", v});
  }
  return out;
}

std::optional<Separation> best_separation(const SweepPlan& plan, const std::vector<CellRecord>& records, const FailureVector& failure) {
  const Key key{failure.subsystem, failure.cause};
  const auto weight_of = [&](const GridRegion& region, bool inside) {  // sum and mean of the failure's severity on one side
    double sum = 0, cells = 0;
    for (const CellRecord& r : records)
      if (region.holds(plan.points[plan.cells[static_cast<std::size_t>(r.cell)].point]) == inside) ++cells, sum += blamed(r) == key ? r.severity : 0;
    return std::pair(sum, cells > 0 ? sum / cells : 0);
  };
  std::optional<Separation> best;
  double most = 0;
  for (const GridRegion& region : regions_of(plan)) {
    const auto [inside, mean_inside] = weight_of(region, true);
    const auto [outside, mean_outside] = weight_of(region, false);
    if (mean_inside - mean_outside <= most) continue;
    most = mean_inside - mean_outside;
    best = Separation{.region = region, .captured = inside / (inside + outside)};
  }
  if (!best) return best;
  best->inside = measure(plan, records, best->region, true, key);
  best->outside = measure(plan, records, best->region, false, key);
  best->confined = best->captured >= kConfined && best->inside.prevalence.low > best->outside.prevalence.high;
  return best;
}

}  // namespace safelight
