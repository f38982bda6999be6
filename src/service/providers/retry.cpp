#include "service/providers/retry.h"

#include <algorithm>
#include <random>

namespace safelight {
namespace {

double machine_random() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

// Whether repeating the call could make somebody pay twice.
bool costs_nothing_to_repeat(const ProviderFailure& failure, const RetryRules& rules) {
  return rules.free || failure.acceptance == Acceptance::not_sent || failure.acceptance == Acceptance::rejected;
}

}  // namespace

void RetryBudget::first_attempt() {
  const std::lock_guard lock(mutex_);
  saved_ = std::min(reserve_, saved_ + share_);
}

bool RetryBudget::take() {
  const std::lock_guard lock(mutex_);
  if (saved_ < 1) return false;
  saved_ -= 1;
  return true;
}

std::optional<std::int64_t> next_wait_ms(const ProviderFailure& failure, const RetryPolicy& policy, const RetryRules& rules, RetryState& state,
                                         RetryBudget* budget) {
  if (failure.final || state.attempts >= policy.max_attempts) return {};
  const bool free_of_charge = costs_nothing_to_repeat(failure, rules);
  const bool ambiguous = failure.failure == FailureClass::ambiguous;
  // Only an ambiguous call can be bought a second time; on a free row it is as good as a transient failure.
  const bool bought = ambiguous && !free_of_charge && rules.paid_retry && !state.paid_retry_used;
  if (!bought && !free_of_charge) return {};
  if (!ambiguous && !traits(failure.failure).retry_same) return {};
  if (failure.failure == FailureClass::no_image && state.no_image_seen) return {};
  if (failure.retry_after_ms && *failure.retry_after_ms > policy.max_hint_ms) return {};

  const double draw = policy.random ? policy.random() : machine_random();
  const int doublings = std::clamp(state.attempts - 1, 0, 30);
  const auto ceiling = std::min(static_cast<double>(policy.cap_ms), static_cast<double>(policy.base_ms) * static_cast<double>(std::int64_t{1} << doublings));
  const auto jitter = static_cast<std::int64_t>(ceiling * draw);
  const std::int64_t wait = failure.retry_after_ms ? *failure.retry_after_ms + jitter : jitter;  // a hint is a lower bound
  if (rules.left_ms >= 0 && wait >= rules.left_ms) return {};
  if (budget && !budget->take()) return {};
  state.no_image_seen = state.no_image_seen || failure.failure == FailureClass::no_image;
  state.paid_retry_used = state.paid_retry_used || bought;
  return wait;
}

}  // namespace safelight
