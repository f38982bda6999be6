#include <algorithm>
#include <cmath>
#include <limits>

#include "insight/comparison/parts.h"

namespace safelight {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const NodeInfo& node_at(const TraceReader& run, int step) { return run.nodes()[static_cast<std::size_t>(step - run.first_step())]; }
int end_of(const TraceReader& run) { return run.first_step() + run.steps_done(); }

bool same_level(const NodeInfo& a, const NodeInfo& b) {
  return std::abs(a.timestep - b.timestep) < 1e-6 && std::abs(a.alpha - b.alpha) < 1e-6 &&
         (std::abs(a.sigma - b.sigma) < 1e-6 || (!std::isfinite(a.sigma) && !std::isfinite(b.sigma)));
}

std::string solver_of(const TraceReader& run) {
  const Json resolved = run.run().value("resolved", Json::object());
  return resolved.value("solver", "");
}

// The first image's latent after some steps; empty values when it was not kept.
std::vector<float> latent_after(const TraceReader& run, int steps_done) {
  const StoredRestart r = run.restart(steps_done);
  const auto it = r.tensors.find("latent");
  if (it == r.tensors.end() || it->second.shape.empty() || it->second.shape[0] < 1) return {};
  std::vector<float> values = it->second.values;
  values.resize(values.size() / static_cast<std::size_t>(it->second.shape[0]));
  return values;
}

double length(const std::vector<float>& v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * x;
  return std::sqrt(sum);
}

double distance(const std::vector<float>& a, const std::vector<float>& b, bool scaled) {
  const double la = std::max(length(a), 1e-12), lb = scaled ? std::max(length(b), 1e-12) : la;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = b[i] / lb - a[i] / la;
    sum += d * d;
  }
  return std::sqrt(sum);
}

// The root mean square over elements that both have; NaN when there are none.
double element_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() == 1) return std::isfinite(a[0]) && std::isfinite(b[0]) ? b[0] - a[0] : kNaN;
  double sum = 0;
  int n = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::isfinite(a[i]) && std::isfinite(b[i])) sum += (b[i] - a[i]) * (b[i] - a[i]), ++n;
  return n > 0 ? std::sqrt(sum / n) : kNaN;
}

double mean_square(const std::vector<double>& row) {
  double sum = 0;
  int n = 0;
  for (const double v : row)
    if (std::isfinite(v)) sum += v * v, ++n;
  return n > 0 ? sum / n : kNaN;
}

// Whether one run has a number where the other has none, NaN or infinity.
bool one_sided(const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::isfinite(a[i]) != std::isfinite(b[i])) return true;
  return false;
}

SeriesDifference difference_of(const SeriesInfo& info, const TraceReader& first, const TraceReader& second, const std::vector<StepPair>& steps) {
  SeriesDifference d{.name = info.name, .unit = info.unit, .meaning = info.meaning};
  const auto row = [&](const TraceReader& run, int step) -> const std::vector<double>& { return run.values(info.name)[static_cast<std::size_t>(step - run.first_step())]; };
  double differences = 0, values = 0;
  int n = 0;
  for (const StepPair& p : steps) {
    const auto &a = row(first, p.first), &b = row(second, p.second);
    d.scalar = a.size() == 1;
    const double by = element_difference(a, b), size = (mean_square(a) + mean_square(b)) / 2;
    d.difference.push_back(by);
    if (std::isfinite(by)) differences += by * by, values += size, ++n;
  }
  const double typical = n > 0 ? std::sqrt(values / n) : 0;
  d.relative = n > 0 && values > 0 ? std::sqrt(differences / values) : 0;
  double largest = -1;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double by = std::abs(d.difference[i]);
    if (by > largest) largest = by, d.largest_pair = static_cast<int>(i);
    const bool differs = one_sided(row(first, steps[i].first), row(second, steps[i].second)) || by > kRounding * typical;
    if (differs && d.first_pair < 0) d.first_pair = static_cast<int>(i);
  }
  return d;
}

}  // namespace

std::vector<StepPair> paired_steps(const TraceReader& first, const TraceReader& second, bool& same) {
  std::vector<StepPair> out;
  same = true;
  const int from = std::max(first.first_step(), second.first_step()), to = std::min(end_of(first), end_of(second));
  for (int step = from; step < to && same; ++step) {
    same = same_level(node_at(first, step), node_at(second, step));
    out.push_back({step, step, node_at(first, step).timestep});
  }
  if (same) return out;
  out.clear();
  int last = -1;
  for (int a = first.first_step(); a < end_of(first); ++a) {
    const double at = node_at(first, a).timestep;
    int best = -1;
    for (int b = second.first_step(); b < end_of(second); ++b)
      if (best < 0 || std::abs(node_at(second, b).timestep - at) < std::abs(node_at(second, best).timestep - at)) best = b;
    if (best < 0 || best == last) continue;
    // Nearer to another step of the first run: that one is its partner.
    bool nearer = false;
    for (int other = first.first_step(); other < end_of(first); ++other)
      nearer = nearer || std::abs(node_at(first, other).timestep - node_at(second, best).timestep) < std::abs(at - node_at(second, best).timestep);
    if (nearer) continue;
    last = best;
    out.push_back({a, best, at});
  }
  return out;
}

void compare_latents(const TraceReader& first, const TraceReader& second, Comparison& out) {
  out.latents_scaled = solver_of(first) != solver_of(second);
  const auto theirs = second.restart_steps();
  bool sizes_differ = false;
  for (const int a : first.restart_steps())
    for (const int b : theirs) {
      // The latent after n steps has the noise of step n.
      const bool before_any = a == 0 && b == 0;
      const bool by_number = a == b && out.same_schedule && !out.steps.empty();
      const bool in_both = a >= first.first_step() && a < end_of(first) && b >= second.first_step() && b < end_of(second);
      if (!before_any && !by_number && !(in_both && same_level(node_at(first, a), node_at(second, b)))) continue;
      const auto x = latent_after(first, a), y = latent_after(second, b);
      sizes_differ = sizes_differ || x.size() != y.size();
      if (!x.empty() && x.size() == y.size()) out.latents.push_back({a, b, distance(x, y, out.latents_scaled)});
    }
  const StoredTensor x = first.final_latent(), y = second.final_latent();
  if (!x.values.empty() && x.shape == y.shape) {
    out.final_distance = distance(x.values, y.values, false);
    out.latents.push_back({end_of(first), end_of(second), distance(x.values, y.values, out.latents_scaled)});
  } else if (!x.values.empty() && !y.values.empty()) {
    sizes_differ = true;
  }
  if (sizes_differ) out.missing.push_back("latents: the runs' latents have different sizes");
  else if (out.latents.empty()) out.missing.push_back("latents: the runs hold no restart points at the same noise level, nor both a final latent");
}

std::vector<SeriesDifference> series_differences(const TraceReader& first, const TraceReader& second, const std::vector<StepPair>& steps) {
  std::vector<SeriesDifference> out;
  if (steps.empty()) return out;
  for (const SeriesInfo& a : first.series())
    for (const SeriesInfo& b : second.series())
      if (a.name == b.name && a.shape == b.shape && a.labels == b.labels) out.push_back(difference_of(a, first, second, steps));
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.relative > b.relative; });
  return out;
}

FirstDifference parting_of(const TraceReader& first, const Comparison& c) {
  FirstDifference out;
  int pair = -1;
  for (const SeriesDifference& s : c.series)   // the largest relative difference comes first
    if (s.first_pair >= 0 && (pair < 0 || s.first_pair < pair)) pair = s.first_pair, out.by = s.name;
  if (pair >= 0) out.step = c.steps[static_cast<std::size_t>(pair)].first;
  for (const LatentDifference& l : c.latents) {
    if (l.distance <= kRounding) continue;
    const int parted = std::max(0, l.steps_first - 1);
    if (l.steps_first == 0 && l.steps_second == 0) out.step = first.first_step(), out.by = "initial noise";
    else if (out.step < 0 || parted < out.step) out.step = parted, out.by = "latents";
    break;
  }
  if (out.step >= first.first_step() && out.step < end_of(first)) out.timestep = node_at(first, out.step).timestep;
  if (c.latents.size() >= 2 && c.final_distance && c.latents.back().distance > kRounding)
    for (const LatentDifference& l : c.latents)
      if (out.half_steps < 0 && 2 * l.distance >= c.latents.back().distance) out.half_steps = l.steps_first;
  return out;
}

}  // namespace safelight
