// When a failed call is made again, and how long it waits first.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "service/providers/failure.h"

namespace safelight {

struct RetryPolicy {
  int max_attempts = 4;            // of one call, the first included
  std::int64_t base_ms = 500;      // the k-th wait is drawn from 0 .. min(cap, base * 2^k): full jitter
  std::int64_t cap_ms = 8000;
  std::int64_t max_hint_ms = 120000;  // a longer Retry-After means: give up here
  std::function<double()> random;  // 0 <= x < 1; empty: the machine's own randomness
};

// A share of all calls that may be retries, so that a provider in trouble does not get several times its load. Thread-safe.
class RetryBudget {
 public:
  // Every first attempt earns `share` of a retry; at most `reserve` are saved up, which is also what there is at the start.
  explicit RetryBudget(double share = 0.2, double reserve = 10) : share_(share), reserve_(reserve), saved_(reserve) {}
  void first_attempt();
  bool take();                     // false: no retry now

 private:
  std::mutex mutex_;
  double share_, reserve_, saved_;
};

struct RetryState {
  int attempts = 0;                // made so far
  bool no_image_seen = false;      // an answer without a picture is asked again once
  bool paid_retry_used = false;
};

struct RetryRules {
  bool free = false;               // the row costs nothing
  bool paid_retry = false;         // the request allows one repetition of an ambiguous call
  std::int64_t left_ms = -1;       // until the deadline; -1: none
};

// How long to wait before the call is made again; empty: it is not. Changes `state` for what it grants.
std::optional<std::int64_t> next_wait_ms(const ProviderFailure& failure, const RetryPolicy& policy, const RetryRules& rules, RetryState& state,
                                         RetryBudget* budget);

}  // namespace safelight
