#include "insight/diagnosis/joint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace safelight {
namespace {

constexpr double kRidge = 0.02, kTrimmed = 0.02, kQuantile = 0.98, kWiden = 1.1;
constexpr int kRefits = 3;

double compressed(double v) { return std::copysign(std::log1p(std::abs(v)), v); }

using Rows = std::vector<std::vector<double>>;

void fit(JointBand& band, const Rows& rows, const std::vector<std::size_t>& kept) {
  const std::size_t n = band.names.size();
  const auto count = static_cast<double>(kept.size());
  band.mean.assign(n, 0);
  band.scale.assign(n, 0);
  for (const std::size_t r : kept)
    for (std::size_t i = 0; i < n; ++i) band.mean[i] += rows[r][i] / count;
  for (const std::size_t r : kept)
    for (std::size_t i = 0; i < n; ++i) band.scale[i] += (rows[r][i] - band.mean[i]) * (rows[r][i] - band.mean[i]) / count;
  for (double& s : band.scale) s = std::sqrt(s) + 1e-3;
  Rows correlation(n, std::vector<double>(n, 0));
  for (const std::size_t r : kept)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j <= i; ++j)
        correlation[i][j] += (rows[r][i] - band.mean[i]) / band.scale[i] * (rows[r][j] - band.mean[j]) / band.scale[j] / count;
  band.factor.assign(n, {});
  for (std::size_t i = 0; i < n; ++i) {
    band.factor[i].assign(i + 1, 0);
    for (std::size_t j = 0; j <= i; ++j) {
      double v = correlation[i][j] + (i == j ? kRidge : 0);
      for (std::size_t k = 0; k < j; ++k) v -= band.factor[i][k] * band.factor[j][k];
      band.factor[i][j] = i == j ? std::sqrt(std::max(v, 1e-12)) : v / band.factor[j][j];
    }
  }
}

double distance(const JointBand& band, const std::vector<double>& row) {
  double sum = 0;
  std::vector<double> solved(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {  // forward substitution: |L^-1 z|
    double v = (row[i] - band.mean[i]) / band.scale[i];
    for (std::size_t k = 0; k < i; ++k) v -= band.factor[i][k] * solved[k];
    solved[i] = v / band.factor[i][i];
    sum += solved[i] * solved[i];
  }
  return std::sqrt(sum);
}

}  // namespace

double JointBand::deviation(const std::map<std::string, double>& features) const {
  if (limit <= 0) return 0;
  std::vector<double> row;
  for (const std::string& name : names) {
    const auto it = features.find(name);
    if (it == features.end()) return 0;
    if (!std::isfinite(it->second)) return std::numeric_limits<double>::infinity();
    row.push_back(compressed(it->second));
  }
  return std::max(0.0, distance(*this, row) / limit - 1);
}

JointBand joint_band(const std::vector<Features>& healthy) {
  JointBand band;
  if (healthy.empty() || healthy.size() < 5 * healthy.front().size()) return band;
  for (const auto& [name, value] : healthy.front()) band.names.push_back(name);
  Rows rows;
  for (const Features& f : healthy) {
    if (f.size() != band.names.size()) continue;
    auto& row = rows.emplace_back();
    for (const auto& [name, value] : f) row.push_back(compressed(value));
  }
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<double> distances(rows.size());
  for (int i = 0; i < kRefits; ++i) {
    const auto kept = static_cast<std::size_t>(static_cast<double>(rows.size()) * (i == 0 ? 1 : 1 - kTrimmed));
    fit(band, rows, {order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept)});
    for (std::size_t r = 0; r < rows.size(); ++r) distances[r] = distance(band, rows[r]);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return distances[a] < distances[b]; });
  }
  band.limit = kWiden * distances[order[static_cast<std::size_t>(kQuantile * static_cast<double>(rows.size() - 1))]];
  return band;
}

Json to_json(const JointBand& b) {
  return {{"names", b.names}, {"mean", b.mean}, {"scale", b.scale}, {"factor", b.factor}, {"limit", b.limit}};
}

JointBand joint_band_from_json(const Json& j) {
  JointBand b{j.at("names"), j.at("mean"), j.at("scale"), j.at("factor"), j.at("limit")};
  bool fits = b.mean.size() == b.names.size() && b.scale.size() == b.names.size() && b.factor.size() == b.names.size();
  for (std::size_t i = 0; fits && i < b.factor.size(); ++i) fits = b.factor[i].size() == i + 1;
  if (!fits) throw std::invalid_argument("the joint band's arrays do not fit together");
  return b;
}

}  // namespace safelight
