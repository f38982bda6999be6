#include "service/router/latency.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace safelight {
namespace {

const double kStep = std::log(1.04);
constexpr double kShortest_ms = 1;

// Where a time stands on the axis of bins, in [0, kLatencyBins].
double position(double ms) { return std::clamp(std::log(std::max(ms, kShortest_ms) / kShortest_ms) / kStep, 0.0, double(kLatencyBins)); }

double between(const std::array<double, kLatencyBins + 1>& cumulative, double at) {
  const int bin = std::min(static_cast<int>(at), kLatencyBins - 1);
  const auto b = static_cast<std::size_t>(bin);
  return cumulative[b] + (at - bin) * (cumulative[b + 1] - cumulative[b]);
}

}  // namespace

int latency_bin(double ms) { return std::min(static_cast<int>(position(ms)), kLatencyBins - 1); }

double latency_bin_ms(int bin) { return kShortest_ms * std::exp(kStep * (bin + 0.5)); }

LatencyTable LatencyTable::of(const std::array<double, kLatencyBins>& weights) {
  LatencyTable t;
  double total = 0;
  for (const double w : weights) total += w;
  if (!(total > 0)) return t;
  for (std::size_t b = 0; b < kLatencyBins; ++b) {
    t.share[b + 1] = t.share[b] + weights[b] / total;
    t.time[b + 1] = t.time[b] + weights[b] / total * latency_bin_ms(static_cast<int>(b));
  }
  return t;
}

LatencyTable LatencyTable::lognormal(double median_ms, double spread) {
  std::array<double, kLatencyBins> weights{};
  const auto below = [&](double ms) { return 0.5 * std::erfc(-std::log(ms / median_ms) / (spread * std::sqrt(2.0))); };
  for (int b = 0; b < kLatencyBins; ++b) {
    const double low = b == 0 ? 0 : below(kShortest_ms * std::exp(kStep * b));
    const double high = b == kLatencyBins - 1 ? 1 : below(kShortest_ms * std::exp(kStep * (b + 1)));
    weights[static_cast<std::size_t>(b)] = high - low;
  }
  return of(weights);
}

void LatencyView::add(const LatencyTable& table, double weight, double scale) {
  if (!(weight > 0)) return;
  assert(count_ < parts_.size());
  parts_[count_++] = {&table, weight, scale};
  total_ += weight;
}

LatencyView LatencyView::scaled(double factor) const {
  LatencyView out = *this;
  for (std::size_t i = 0; i < count_; ++i) out.parts_[i].scale *= factor;
  return out;
}

double LatencyView::within(double ms) const {
  if (!(ms > 0) || count_ == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < count_; ++i) sum += parts_[i].weight * between(parts_[i].table->share, position(ms / parts_[i].scale));
  return sum / total_;
}

double LatencyView::mean_within(double ms) const {
  if (!(ms > 0) || count_ == 0) return 0;
  double time = 0, share = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Part& p = parts_[i];
    const double at = position(ms / p.scale);
    time += p.weight * p.scale * between(p.table->time, at);
    share += p.weight * between(p.table->share, at);
  }
  return share > 0 ? time / share : 0;
}

double LatencyView::quantile(double p) const {
  int low = 0, high = kLatencyBins;     // the bins of a part that is not scaled serve as the grid for all
  const auto edge = [](int bin) { return kShortest_ms * std::exp(kStep * bin); };
  while (low < high) {
    const int middle = (low + high) / 2;
    if (within(edge(middle)) >= p) high = middle;
    else low = middle + 1;
  }
  return edge(low);
}

}  // namespace safelight
