#include "service/router/statistics.h"

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

constexpr double kMinute_ms = 60'000;
constexpr double kLatencyHalfLife_ms = 60 * kMinute_ms, kAnswerHalfLife_ms = 15 * kMinute_ms, kQualityHalfLife_ms = 72 * 60 * kMinute_ms;
constexpr double kMostSamples = 120, kMostAnswers = 60, kMostSeen = 5000, kMostRecent = 120;  // how many count at most, so that a change shows soon
constexpr double kPriorSamples = 2, kPriorAnswers = 4;
constexpr double kLeastPictures = 20;         // fewer are no measurement
constexpr double kContradiction = 5;         // standard errors between the recent pictures and all of them
constexpr double kPriorAnswering = 0.98;
constexpr double kPriorSpread = 0.5;
constexpr double kPriorFailure_ms = 1000;
constexpr int kUnknownLatency_ms = 15'000;   // rows that say nothing of themselves
constexpr double kMostMeasured = 400;

}  // namespace

double RouteStatistics::faded(double value, std::int64_t since_ms, std::int64_t now_ms, double half_life_ms) {
  return now_ms <= since_ms ? value : value * std::exp2(-static_cast<double>(now_ms - since_ms) / half_life_ms);
}

void RouteStatistics::count(Record& r, bool answer, double ms, std::int64_t now_ms) {
  const double keep = faded(1, r.answers_at_ms, now_ms, kAnswerHalfLife_ms) * (1 - 1 / kMostAnswers);
  r.answers *= keep, r.failures *= keep, r.failure_time_ms *= keep;
  r.answers_at_ms = now_ms;
  if (answer) r.answers += 1;
  else r.failures += 1, r.failure_time_ms += ms;
}

void RouteStatistics::answered(const std::string& key, double ms, std::int64_t now_ms) {
  Record& r = records_[key];
  count(r, true, ms, now_ms);
  const double keep = faded(1, r.latency_at_ms, now_ms, kLatencyHalfLife_ms) * (1 - 1 / kMostSamples);
  for (double& w : r.weights) w *= keep;
  r.weights[static_cast<std::size_t>(latency_bin(ms))] += 1;
  r.samples = r.samples * keep + 1;
  r.latency_at_ms = now_ms;
  r.table = LatencyTable::of(r.weights);
}

void RouteStatistics::failed(const std::string& key, double ms, std::int64_t now_ms) { count(records_[key], false, ms, now_ms); }

RouteStatistics::Share RouteStatistics::Quality::known(std::int64_t now_ms) const {
  const double keep = faded(1, at_ms, now_ms, kQualityHalfLife_ms);
  return {board.right + seen.right * keep, board.of + seen.of * keep};
}

void RouteStatistics::judged(const std::string& key, const std::string& task, bool right, std::int64_t now_ms) {
  Quality& q = records_[key].quality[task];
  q.seen.add(right, faded(1, q.at_ms, now_ms, kQualityHalfLife_ms) * (1 - 1 / kMostSeen));
  q.recent.add(right, 1 - 1 / kMostRecent);
  q.at_ms = now_ms;
  const Share all = q.known(now_ms);
  if (q.recent.of < kMostRecent / 2 || all.of < q.recent.of) return;
  const double error = std::sqrt(std::max(all.share() * (1 - all.share()), 0.01) * (1 / q.recent.of + 1 / all.of));
  if (std::abs(q.recent.share() - all.share()) > kContradiction * error) q.board = {}, q.seen = q.recent;
}

void RouteStatistics::measured(const std::string& key, const std::string& task, int right, int of) {
  const double scale = of > kMostMeasured ? kMostMeasured / of : 1;
  records_[key].quality[task].board = {right * scale, of * scale};
}

void RouteStatistics::forgive(const std::string& key) {
  Record& r = records_[key];
  r.answers = r.failures = r.failure_time_ms = 0;
}

const LatencyTable& RouteStatistics::prior(const ModelRow& row) const {
  const int typical_ms = row.typical_latency_ms > 0 ? row.typical_latency_ms : kUnknownLatency_ms;
  const auto it = priors_.find(typical_ms);
  return it != priors_.end() ? it->second : priors_.emplace(typical_ms, LatencyTable::lognormal(typical_ms, kPriorSpread)).first->second;
}

OptionOutlook RouteStatistics::outlook(const RouteOption& option, const std::string& task, std::int64_t now_ms, bool fresh) const {
  OptionOutlook out;
  const auto own = records_.find(option.key);
  const auto whole = option.key == option.row->id ? records_.end() : records_.find(option.row->id);
  if (own != records_.end()) {
    out.samples = faded(own->second.samples, own->second.latency_at_ms, now_ms, kLatencyHalfLife_ms);
    out.latency.add(own->second.table, out.samples);
  }
  if (whole != records_.end())
    out.latency.add(whole->second.table, std::min(4 * kPriorSamples, faded(whole->second.samples, whole->second.latency_at_ms, now_ms, kLatencyHalfLife_ms)), option.work);
  out.latency.add(prior(*option.row), kPriorSamples, option.work);

  double answers = kPriorAnswers * kPriorAnswering, calls = kPriorAnswers, failures = 1, failure_ms = kPriorFailure_ms;
  const auto answering = own != records_.end() ? own : whole;
  if (answering != records_.end() && !fresh) {
    const Record& r = answering->second;
    const double keep = faded(1, r.answers_at_ms, now_ms, kAnswerHalfLife_ms);
    answers += r.answers * keep;
    calls += (r.answers + r.failures) * keep;
    failures += r.failures * keep, failure_ms += r.failure_time_ms * keep;
  }
  out.answers = answers / calls;
  out.failure_ms = failure_ms / failures;

  for (const auto& record : {own, whole}) {  // the option's own quality where it is known, else that of the whole row
    if (record == records_.end()) continue;
    const auto q = record->second.quality.find(task);
    if (q == record->second.quality.end()) continue;
    const Share known = q->second.known(now_ms);
    if (known.of < kLeastPictures) continue;
    out.quality = known.share();
    out.quality_error = std::sqrt(std::max(out.quality * (1 - out.quality), 0.01) / known.of);
    out.quality_measured = true;
    break;
  }
  if (!out.quality_measured) out.quality = 0.5;
  return out;
}

}  // namespace safelight
