// Distributions of latency as tables over logarithmic bins: learned from samples or given as a prior, and mixtures of them.
#pragma once

#include <array>
#include <cstddef>

namespace safelight {

// 1 ms to about 17 minutes in bins 4 % wide.
inline constexpr int kLatencyBins = 354;
int latency_bin(double ms);              // 0 .. kLatencyBins - 1
double latency_bin_ms(int bin);          // its middle

// Cumulative: share[b] of the mass lies in bins below b; time[b] is the sum of share * ms there. Zero where nothing is known.
struct LatencyTable {
  std::array<double, kLatencyBins + 1> share{}, time{};

  // Weights per bin, of any sum.
  static LatencyTable of(const std::array<double, kLatencyBins>& weights);
  // spread: standard deviation of the natural logarithm.
  static LatencyTable lognormal(double median_ms, double spread);
};

// A mixture of tables, each with its times multiplied by a factor. Borrows them.
class LatencyView {
 public:
  void add(const LatencyTable& table, double weight, double scale = 1);
  LatencyView scaled(double factor) const;  // the same with every time multiplied
  double within(double ms) const;        // share that takes at most so long, 0..1
  double mean_within(double ms) const;   // mean of those, ms; 0 where there are none
  double quantile(double p) const;       // ms

 private:
  struct Part {
    const LatencyTable* table = nullptr;
    double weight = 0, scale = 1;
  };
  std::array<Part, 3> parts_{};
  std::size_t count_ = 0;
  double total_ = 0;
};

}  // namespace safelight
