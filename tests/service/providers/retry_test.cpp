#include "service/providers/retry.h"

#include <gtest/gtest.h>

#include "common/base/error.h"
#include "service/providers/clock.h"
#include "service/providers/ledger.h"
#include "service/providers/secret.h"

namespace safelight {
namespace {

RetryPolicy policy_drawing(double x) {
  RetryPolicy policy;
  policy.random = [x] { return x; };
  return policy;
}

std::optional<std::int64_t> wait_after(FailureClass failure, Acceptance acceptance, RetryRules rules = {}, RetryState state = {.attempts = 1}) {
  return next_wait_ms({.failure = failure, .acceptance = acceptance}, policy_drawing(0.5), rules, state, nullptr);
}

TEST(FailureTable, HasEveryClassAtItsPlace) {
  for (std::size_t i = 0; i < failure_table().size(); ++i) EXPECT_EQ(static_cast<std::size_t>(failure_table()[i].failure), i);
  EXPECT_EQ(failure_table().size(), static_cast<std::size_t>(FailureClass::deadline) + 1);
}

TEST(Retry, WhatMayHaveBeenAcceptedIsNeverRepeatedByItself) {
  for (const FailureTraits& t : failure_table()) {
    EXPECT_FALSE(wait_after(t.failure, Acceptance::unknown)) << t.name;
    EXPECT_FALSE(wait_after(t.failure, Acceptance::accepted)) << t.name;
  }
}

TEST(Retry, OnlyPassingFailuresAreRepeated) {
  for (const FailureTraits& t : failure_table()) EXPECT_EQ(wait_after(t.failure, Acceptance::rejected).has_value(), t.retry_same || t.failure == FailureClass::ambiguous) << t.name;
}

TEST(Retry, AnAmbiguousCallIsBoughtOnceAtMost) {
  RetryState state{.attempts = 1};
  const ProviderFailure lost{.failure = FailureClass::ambiguous, .acceptance = Acceptance::unknown};
  EXPECT_TRUE(next_wait_ms(lost, policy_drawing(0), {.paid_retry = true}, state, nullptr));
  state.attempts = 2;
  EXPECT_FALSE(next_wait_ms(lost, policy_drawing(0), {.paid_retry = true}, state, nullptr));
  EXPECT_TRUE(wait_after(FailureClass::ambiguous, Acceptance::unknown, {.free = true}));
}

TEST(Retry, WaitsAreFullJitterUnderTheCap) {
  const ProviderFailure down{.failure = FailureClass::transient, .acceptance = Acceptance::rejected};
  RetryPolicy policy = policy_drawing(0.999);
  policy.max_attempts = 20;
  const std::int64_t ceilings[] = {500, 1000, 2000, 4000, 8000, 8000, 8000};
  for (int made = 1; made <= 7; ++made) {
    RetryState state{.attempts = made};
    const auto wait = next_wait_ms(down, policy, {}, state, nullptr);
    ASSERT_TRUE(wait);
    EXPECT_EQ(*wait, static_cast<std::int64_t>(static_cast<double>(ceilings[made - 1]) * 0.999));
  }
  RetryState state{.attempts = 1};
  EXPECT_EQ(*next_wait_ms(down, policy_drawing(0), {}, state, nullptr), 0);
}

TEST(Retry, AHintIsALowerBoundAndALongOneEndsIt) {
  RetryState state{.attempts = 1};
  ProviderFailure full{.failure = FailureClass::throttled, .acceptance = Acceptance::rejected, .retry_after_ms = 3000};
  EXPECT_EQ(*next_wait_ms(full, policy_drawing(0), {}, state, nullptr), 3000);
  EXPECT_FALSE(next_wait_ms(full, policy_drawing(0), {.left_ms = 3000}, state, nullptr));
  full.retry_after_ms = 120001;
  EXPECT_FALSE(next_wait_ms(full, policy_drawing(0), {}, state, nullptr));
}

TEST(Retry, AnAnswerWithoutAPictureIsAskedAgainOnce) {
  RetryState state{.attempts = 1};
  const ProviderFailure empty{.failure = FailureClass::no_image, .acceptance = Acceptance::rejected};
  EXPECT_TRUE(next_wait_ms(empty, policy_drawing(0), {}, state, nullptr));
  EXPECT_FALSE(next_wait_ms(empty, policy_drawing(0), {}, state, nullptr));
}

TEST(RetryBudget, GrantsAShareOfAllCalls) {
  RetryBudget budget(0.25, 2);
  int granted = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.first_attempt();
    granted += budget.take();
  }
  EXPECT_GE(granted, 250);
  EXPECT_LE(granted, 252);
}

TEST(MemoryLedger, RefusesToSendAnAttemptTwice) {
  MemoryLedger ledger;
  ledger.open({.id = "a"});
  EXPECT_EQ(ledger.attempts()[0].acceptance, Acceptance::unknown);  // until it has ended it may have been accepted
  EXPECT_THROW(ledger.open({.id = "a"}), Error);
  ledger.note_remote_id("a", "job-1");
  EXPECT_EQ(ledger.attempts()[0].remote_id, "job-1");
}

TEST(RetryAfter, TakesSecondsAndDates) {
  EXPECT_EQ(retry_after_ms("7", 0), 7000);
  EXPECT_EQ(retry_after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 20000), 40000);
  EXPECT_EQ(retry_after_ms("Thu, 01 Jan 1970 00:01:00 GMT", 90000), 0);
  for (const char* bad : {"", "-1", "soon", "99999999999999999999"}) EXPECT_EQ(retry_after_ms(bad, 0), -1) << bad;
  EXPECT_EQ(date_of(1764028800000), "2025-11-25");
}

TEST(Secret, LeavesNoText) {
  const Secret key("sk-proj-A1b2/C3d4+E5f6==");
  const std::string dirty = "wrong key sk-proj-A1b2/C3d4+E5f6== or sk-proj-A1b2*** or sk-proj-A1b2%2FC3d4%2BE5f6%3D%3D or c2stcHJvai1BMWIyL0MzZDQrRTVmNj09";
  const std::string clean = redact(dirty, key);
  for (const char* part : {"A1b2", "C3d4", "c2stcHJv"}) EXPECT_EQ(clean.find(part), std::string::npos) << clean;
  EXPECT_NE(clean.find("wrong key"), std::string::npos);
  EXPECT_EQ(redact("abc", Secret()), "abc");
}

}  // namespace
}  // namespace safelight
