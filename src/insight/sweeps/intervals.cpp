#include "insight/sweeps/intervals.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include "common/measure/wilson.h"

namespace safelight {
namespace {

constexpr int kResamples = 2000;
constexpr std::uint64_t kBootstrapSeed = 20'261'125;

struct GroupSum {
  double sum = 0, count = 0;
};

std::vector<GroupSum> sums_of(const Groups& groups) {
  std::vector<GroupSum> out;
  for (const auto& group : groups) {
    if (group.empty()) continue;
    GroupSum s{0, static_cast<double>(group.size())};
    for (const double v : group) s.sum += v;
    out.push_back(s);
  }
  return out;
}

double mean_of(const std::vector<GroupSum>& sums) {
  double sum = 0, count = 0;
  for (const GroupSum& s : sums) sum += s.sum, count += s.count;
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

Json to_json(const Interval& i) {
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  return {{"value", number(i.value)}, {"low", number(i.low)}, {"high", number(i.high)}};
}

Interval wilson(double hits, double n) {
  if (n <= 0) return {};
  const ShareInterval i = wilson_interval(hits, n);
  return {hits / n, i.low, i.high};
}

Interval bootstrap_mean(const Groups& groups) {
  const auto sums = sums_of(groups);
  Interval out{.value = mean_of(sums)};
  if (sums.size() < 2) return out;
  // Own arithmetic on the generator's bits: the standard's distributions differ between libraries.
  std::mt19937_64 bits(kBootstrapSeed);
  std::vector<double> means;
  for (int k = 0; k < kResamples; ++k) {
    GroupSum total;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const GroupSum& s = sums[((bits() >> 32) * sums.size()) >> 32];
      total.sum += s.sum;
      total.count += s.count;
    }
    means.push_back(total.sum / total.count);
  }
  std::sort(means.begin(), means.end());
  out.low = means[static_cast<std::size_t>(0.025 * kResamples)];
  out.high = means[static_cast<std::size_t>(0.975 * kResamples)];
  return out;
}

Interval grouped_share(const Groups& groups) {
  const auto sums = sums_of(groups);
  double n = 0, hits = 0, spread = 0;
  for (const GroupSum& s : sums) n += s.count, hits += s.sum;
  if (n <= 0) return {};
  const double p = hits / n, independent = n * p * (1 - p);
  for (const GroupSum& s : sums) spread += (s.sum - p * s.count) * (s.sum - p * s.count);
  if (sums.size() > 1) spread *= static_cast<double>(sums.size()) / static_cast<double>(sums.size() - 1);
  // One value a group: nothing is shared. Never fewer independent values than groups.
  const double largest = n / std::max<double>(1, static_cast<double>(sums.size()));
  const double effect = independent > 0 ? std::clamp(spread / independent, 1.0, std::max(1.0, largest)) : 1.0;
  return wilson(hits / effect, n / effect);
}

}  // namespace safelight
