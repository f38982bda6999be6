#include "service/router/breaker.h"

#include <algorithm>

namespace safelight {

std::string_view name(BreakerState state) {
  switch (state) {
    case BreakerState::closed: return "closed";
    case BreakerState::open: return "open";
    case BreakerState::half_open: return "half-open";
    case BreakerState::probing: return "probing";
  }
  return "closed";
}

BreakerState Breaker::state(std::int64_t now_ms) const {
  if (!tripped_) return BreakerState::closed;
  if (now_ms < open_until_ms_) return BreakerState::open;
  return probe_since_ms_ >= 0 && now_ms - probe_since_ms_ < rules_.probe_ms ? BreakerState::probing : BreakerState::half_open;
}

BreakerCounts Breaker::counts(std::int64_t now_ms) const {
  const std::int64_t newest = now_ms / (rules_.window_ms / static_cast<std::int64_t>(slices_.size()));
  BreakerCounts out;
  for (const Slice& s : slices_)
    if (s.number > newest - static_cast<std::int64_t>(slices_.size()) && s.number <= newest) out.calls += s.calls, out.failures += s.failures;
  return out;
}

void Breaker::count(bool failure, std::int64_t now_ms) {
  const std::int64_t number = now_ms / (rules_.window_ms / static_cast<std::int64_t>(slices_.size()));
  Slice& s = slices_[static_cast<std::size_t>(number) % slices_.size()];
  if (s.number != number) s = {number, 0, 0};
  ++s.calls;
  s.failures += failure ? 1 : 0;
}

void Breaker::succeeded(std::int64_t now_ms) {
  in_a_row_ = 0;
  if (tripped_) {
    if (now_ms < open_until_ms_) return;  // an answer of before it opened
    tripped_ = false;
    probe_since_ms_ = -1;
    slices_ = {};
    closed_since_ms_ = now_ms;
  } else if (ejections_ > 0 && now_ms - closed_since_ms_ >= rules_.ejection_ms) {
    --ejections_;                         // good behaviour is forgotten no faster than bad
    closed_since_ms_ = now_ms;
  }
  count(false, now_ms);
}

void Breaker::failed(std::int64_t now_ms) {
  ++in_a_row_;
  count(true, now_ms);
  after_failure(now_ms);
}

void Breaker::failed_softly(std::int64_t now_ms) {
  count(true, now_ms);
  after_failure(now_ms);
}

void Breaker::after_failure(std::int64_t now_ms) {
  if (tripped_) {
    if (now_ms >= open_until_ms_) eject(now_ms);  // the probe failed
    return;
  }
  const BreakerCounts c = counts(now_ms);
  if (in_a_row_ >= rules_.consecutive || (c.calls >= rules_.least && c.failures > rules_.share * c.calls)) eject(now_ms);
}

void Breaker::eject(std::int64_t now_ms) {
  ++ejections_;
  tripped_ = true;
  in_a_row_ = 0;
  probe_since_ms_ = -1;
  open_until_ms_ = now_ms + std::min(rules_.longest_ms, ejections_ * rules_.ejection_ms);
}

bool Breaker::take_probe(std::int64_t now_ms) {
  if (state(now_ms) != BreakerState::half_open) return false;
  probe_since_ms_ = now_ms;
  return true;
}

}  // namespace safelight
