#include "service/router/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace safelight {
namespace {

constexpr std::int64_t kThrottled_ms = 2000;  // a throttled row without a hint rests so long
constexpr std::int64_t kForGood = std::numeric_limits<std::int64_t>::max();

double share_of_answers(const BreakerCounts& c) { return 1 - static_cast<double>(c.failures) / c.calls; }

}  // namespace

HealthBoard::RowHealth& HealthBoard::health(const ModelRow& row) {
  const auto it = rows_.find(row.id);
  if (it != rows_.end()) return it->second;
  return rows_.emplace(row.id, RowHealth{.breaker = Breaker(breaker_rules_), .model = row.protocol + " " + row.wire_model}).first->second;
}

void HealthBoard::succeeded(const ModelRow& row, std::int64_t now_ms) {
  RowHealth& h = health(row);
  h.breaker.succeeded(now_ms);
  compare(h.model, now_ms);
}

void HealthBoard::failed(const ModelRow& row, const ProviderFailure& failure, std::int64_t now_ms) {
  RowHealth& h = health(row);
  const FailureTraits& t = traits(failure.failure);
  if (t.disables_credential && !row.credential.empty())
    credentials_[row.credential] = failure.retry_after_ms ? now_ms + *failure.retry_after_ms : kForGood;
  if (failure.failure == FailureClass::model_retired || failure.failure == FailureClass::model_not_found) h.retired = true;
  if (failure.failure == FailureClass::throttled) h.not_before_ms = std::max(h.not_before_ms, now_ms + failure.retry_after_ms.value_or(kThrottled_ms));
  if (t.health == HealthEffect::full) h.breaker.failed(now_ms);
  if (t.health == HealthEffect::weak) h.breaker.failed_softly(now_ms);
  compare(h.model, now_ms);
}

bool HealthBoard::take_probe(const ModelRow& row, std::int64_t now_ms) { return health(row).breaker.take_probe(now_ms); }

const Breaker* HealthBoard::breaker(const std::string& id) const {
  const auto it = rows_.find(id);
  return it == rows_.end() ? nullptr : &it->second.breaker;
}

BreakerState HealthBoard::state(const std::string& id, std::int64_t now_ms) const {
  const Breaker* b = breaker(id);
  return b ? b->state(now_ms) : BreakerState::closed;
}

std::optional<Unhealthy> HealthBoard::problem(const ModelRow& row, std::int64_t now_ms) const {
  const auto credential = row.credential.empty() ? credentials_.end() : credentials_.find(row.credential);
  if (credential != credentials_.end() && now_ms < credential->second) {
    const std::string until = credential->second == kForGood ? "until somebody tops it up or changes it" : fmt::format("for {:.0f} s more", (credential->second - now_ms) / 1e3);
    return Unhealthy{"credential_disabled", fmt::format("the key in {} was refused or is used up: not tried {}", row.credential, until)};
  }
  const auto it = rows_.find(row.id);
  if (it == rows_.end()) return {};
  const RowHealth& h = it->second;
  if (h.retired) return Unhealthy{"model_retired", "its provider said that the model is gone" + (row.successor.empty() ? "" : "; successor: " + row.successor)};
  if (now_ms < h.not_before_ms) return Unhealthy{"throttled", fmt::format("its provider asked to wait {:.1f} s more", (h.not_before_ms - now_ms) / 1e3)};
  const BreakerState state = h.breaker.state(now_ms);
  if (state == BreakerState::open)
    return Unhealthy{"breaker_open", fmt::format("it failed too often: opened {} times, closed for {:.0f} s more", h.breaker.ejections(), (h.breaker.open_until_ms() - now_ms) / 1e3), true};
  if (state == BreakerState::probing) return Unhealthy{"probe_in_flight", "one request is trying whether it is back", true};
  return {};
}

// Endpoints of one model should answer alike; one that answers clearly less often than the others is ejected, one at a time.
void HealthBoard::compare(const std::string& model, std::int64_t now_ms) {
  std::int64_t& at_ms = compared_at_ms_[model];
  if (now_ms - at_ms < outlier_rules_.interval_ms) return;
  at_ms = now_ms;
  std::vector<RowHealth*> group;
  for (auto& [id, h] : rows_)
    if (h.model == model && h.breaker.state(now_ms) == BreakerState::closed && h.breaker.counts(now_ms).calls >= outlier_rules_.least_calls) group.push_back(&h);
  if (group.size() < static_cast<std::size_t>(outlier_rules_.least_others) + 1) return;
  const auto share = [&](const RowHealth* h) { return share_of_answers(h->breaker.counts(now_ms)); };
  RowHealth* worst = *std::min_element(group.begin(), group.end(), [&](const RowHealth* a, const RowHealth* b) { return share(a) < share(b); });
  double mean = 0, square = 0;
  const double others = static_cast<double>(group.size() - 1);
  for (const RowHealth* h : group)
    if (h != worst) mean += share(h) / others, square += share(h) * share(h) / others;
  const double deviation = std::sqrt(std::max(0.0, square - mean * mean));
  if (share(worst) < mean - std::max(outlier_rules_.margin, outlier_rules_.deviations * deviation)) worst->breaker.eject(now_ms);
}

}  // namespace safelight
