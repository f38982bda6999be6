#include "assay/score.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>

#include "common/measure/wilson.h"

namespace safelight {
namespace {

bool within_first_two(const AssayRecord& r, const Answer& a) {
  if (r.right(a.said)) return true;
  return a.said != kHealthy && std::any_of(a.ranking.begin(), a.ranking.end(), [&](const std::string& s) { return r.right(s); });
}

// Mean distance of confidence and share of right answers, weighted by how many there are in each bin.
class Calibration {
 public:
  void add(double confidence, bool right) {
    const auto bin = static_cast<std::size_t>(std::clamp(confidence, 0.0, 1.0) * kBins);
    Bin& b = bins_[std::min<std::size_t>(bin, kBins - 1)];
    b.confidence += confidence;
    b.right += right;
    ++b.of;
    ++all_;
  }
  double error() const {
    double sum = 0;
    for (const Bin& b : bins_) sum += std::abs(b.confidence - b.right);
    return all_ > 0 ? sum / all_ : 0;
  }

 private:
  static constexpr std::size_t kBins = 10;
  struct Bin {
    double confidence = 0;
    int right = 0, of = 0;
  };
  std::array<Bin, kBins> bins_{};
  int all_ = 0;
};

void score_fault(const AssayRecord& r, const Answer& a, Scores& s) {
  s.top1.count(r.right(a.said));
  s.top2.count(within_first_two(r, a));
  if (!r.causes.empty()) s.cause.count(std::find(r.causes.begin(), r.causes.end(), a.cause) != r.causes.end());
  const bool spoke = a.said != kHealthy && a.said != kUndetermined;
  s.trigger.count(spoke && a.trigger == r.trigger);
  s.stage.count(spoke && a.stage == r.stage);
  if (!r.module.empty()) s.module.count(spoke && a.module.find(r.module) != std::string::npos);
  if (r.step >= 0) s.step.count(spoke && a.step >= 0 && std::abs(a.step - r.step) <= 1);
}

std::string most_common_subsystem(const std::vector<AssayRecord>& records) {
  std::map<std::string, int> seen;
  for (const AssayRecord& r : records)
    if (!r.clean() && !r.added_after_freeze) ++seen[r.subsystem];
  std::string best;
  for (const auto& [subsystem, n] : seen)
    if (best.empty() || n > seen[best]) best = subsystem;
  return best;
}

}  // namespace

double Rate::low() const { return wilson_interval(right, of).low; }
double Rate::high() const { return wilson_interval(right, of).high; }

Scores score(const std::vector<AssayRecord>& records, Pick pick) {
  Scores s;
  Calibration calibration;
  int right = 0;
  for (const AssayRecord& r : records) {
    const Answer& a = r.*pick;
    if (r.clean()) s.false_alarms.count(a.said != kHealthy);
    else score_fault(r, a, s);
    calibration.add(a.confidence, r.right(a.said));
    right += r.right(a.said);
    s.seconds += a.seconds;
    s.reruns += a.reruns;
  }
  const double n = std::max<double>(1, static_cast<double>(records.size()));
  s.calibration_error = calibration.error();
  s.seconds_per_right = right > 0 ? s.seconds / right : 0;
  s.seconds /= n;
  s.reruns /= n;
  return s;
}

StrategyScores score_strategies(const std::vector<AssayRecord>& records) {
  StrategyScores s;
  const std::string common = most_common_subsystem(records);
  for (const AssayRecord& r : records) {
    s.blind_reruns += static_cast<double>(r.blind_reruns) / static_cast<double>(records.size());
    if (r.clean()) {
      s.fixed_false_alarms.count(!r.right(r.fixed_thresholds));
      s.blind_false_alarms.count(!r.right(r.blind_swapping));
      continue;
    }
    s.most_common.count(r.right(common));
    s.fixed_thresholds.count(r.right(r.fixed_thresholds));
    s.blind_swapping.count(r.right(r.blind_swapping));
  }
  return s;
}

}  // namespace safelight
