// Error budgets, statistics, breakers, health and spending.
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>

#include "common/base/error.h"
#include "service/router/error_budget.h"
#include "service/router/health.h"
#include "service/router/spend.h"
#include "service/router/statistics.h"

namespace safelight {
namespace {

constexpr std::int64_t kMinute_ms = 60'000, kHour_ms = 60 * kMinute_ms, kDay_ms = 24 * kHour_ms;

TEST(ErrorBudgets, CountAndSayWhatIsLeft) {
  ErrorBudget b("latency", 0.05, 28);
  for (int i = 0; i < 980; ++i) b.record(true, i);
  for (int i = 0; i < 20; ++i) b.record(false, 980 + i);
  const BudgetReport r = b.report(1000);
  EXPECT_EQ(r.good, 980u);
  EXPECT_EQ(r.bad, 20u);
  EXPECT_NEAR(r.left, 1 - 0.02 / 0.05, 1e-12);
  EXPECT_EQ(r.state, BurnState::calm);
  EXPECT_NEAR(r.windows.at(0).burn, 0.4, 1e-12);
}

TEST(ErrorBudgets, AFastBurnNeedsTheLongAndTheShortWindow) {
  ErrorBudget b("answered", 0.01, 28);   // 2 % of the budget in an hour: burn 13.44
  for (std::int64_t t = 0; t < kHour_ms; t += kMinute_ms / 2) b.record(t % (kMinute_ms * 2) == 0, t);   // three quarters bad: burn 75
  EXPECT_EQ(b.state(kHour_ms - 1), BurnState::fast);
  for (std::int64_t t = kHour_ms; t < kHour_ms + 6 * kMinute_ms; t += kMinute_ms / 2) b.record(true, t);
  EXPECT_NE(b.state(kHour_ms + 6 * kMinute_ms - 1), BurnState::fast);   // it is over, though the hour was bad
}

TEST(ErrorBudgets, OldCountsLeaveTheWindowsAndThePeriod) {
  ErrorBudget b("quality", 0.1, 2);
  for (int i = 0; i < 100; ++i) b.record(false, i);
  EXPECT_LT(b.report(200).left, 0);
  EXPECT_EQ(b.report(kDay_ms).windows.at(3).bad, 0u);
  EXPECT_EQ(b.report(kDay_ms).bad, 100u);
  EXPECT_EQ(b.report(3 * kDay_ms).bad, 0u);
  EXPECT_EQ(b.report(3 * kDay_ms).left, 1);
}

TEST(Latencies, TablesKnowTheLognormalDistribution) {
  const LatencyTable t = LatencyTable::lognormal(2000, 0.5);
  LatencyView v;
  v.add(t, 1);
  EXPECT_NEAR(v.quantile(0.5), 2000, 2000 * 0.04);
  EXPECT_NEAR(v.within(2000 * std::exp(0.5)), 0.8413, 0.01);
  EXPECT_NEAR(v.mean_within(1e6), 2000 * std::exp(0.125), 30);
  LatencyView scaled;
  scaled.add(t, 1, 0.5);
  EXPECT_NEAR(scaled.quantile(0.5), 1000, 1000 * 0.04);
  EXPECT_EQ(LatencyView().within(1000), 0);
}

TEST(Latencies, MixturesWeighTheirParts) {
  const LatencyTable quick = LatencyTable::lognormal(100, 0.1), slow = LatencyTable::lognormal(10000, 0.1);
  LatencyView v;
  v.add(quick, 3);
  v.add(slow, 1);
  EXPECT_NEAR(v.within(1000), 0.75, 1e-9);
  EXPECT_NEAR(v.mean_within(1000), 100, 3);
}

ModelRow row(const std::string& id, const std::string& credential = "") {
  ModelRow r;
  r.id = id;
  r.protocol = "openai.images";
  r.wire_model = "m";
  r.credential = credential;
  r.typical_latency_ms = 1000;
  return r;
}

TEST(Statistics, StartFromWhatTheRowSaysAndFollowSamples) {
  RouteStatistics s;
  const ModelRow r = row("a");
  EXPECT_NEAR(s.outlook({"a", &r}, "single", 0).latency.quantile(0.5), 1000, 50);
  for (int i = 0; i < 50; ++i) s.answered("a", 4000, i * 1000);
  EXPECT_NEAR(s.outlook({"a", &r}, "single", 50'000).latency.quantile(0.5), 4000, 200);
  EXPECT_GT(s.outlook({"a", &r}, "single", 50'000).answers, 0.99);
}

TEST(Statistics, AChangeShowsWithinAHundredCallsAndOldSamplesFade) {
  RouteStatistics s;
  const ModelRow r = row("a");
  for (int i = 0; i < 1000; ++i) s.answered("a", 4000, i * 1000);
  for (int i = 0; i < 100; ++i) s.answered("a", 500, 1'000'000 + i * 1000);
  EXPECT_LT(s.outlook({"a", &r}, "single", 1'100'000).latency.quantile(0.5), 600);
  EXPECT_NEAR(s.outlook({"a", &r}, "single", 1'100'000 + 40 * kHour_ms).latency.quantile(0.5), 1000, 50);
}

TEST(Statistics, FailuresLowerTheChanceOfAnAnswerAndAreForgiven) {
  RouteStatistics s;
  const ModelRow r = row("a");
  for (int i = 0; i < 20; ++i) s.failed("a", 200, i * 1000);
  EXPECT_LT(s.outlook({"a", &r}, "single", 20'000).answers, 0.25);
  EXPECT_GT(s.outlook({"a", &r}, "single", 20'000, true).answers, 0.95);
  s.forgive("a");
  EXPECT_GT(s.outlook({"a", &r}, "single", 20'000).answers, 0.95);
}

TEST(Statistics, AReducedOptionLearnsFromItsRowUntilItHasItsOwn) {
  RouteStatistics s;
  const ModelRow r = row("a");
  for (int i = 0; i < 100; ++i) s.answered("a", 4000, i * 1000);
  const RouteOption half{"a+fewer-steps", &r, 0.5};
  EXPECT_NEAR(s.outlook(half, "single", 100'000).latency.quantile(0.5), 2000, 300);
  for (int i = 0; i < 100; ++i) s.answered("a+fewer-steps", 3000, 100'000 + i * 1000);
  EXPECT_NEAR(s.outlook(half, "single", 200'000).latency.quantile(0.5), 3000, 200);
}

TEST(Statistics, QualityIsPerTaskAndUnknownUntilMeasured) {
  RouteStatistics s;
  const ModelRow r = row("a");
  EXPECT_FALSE(s.outlook({"a", &r}, "text", 0).quality_measured);
  s.measured("a", "text", 80, 100);
  EXPECT_NEAR(s.outlook({"a", &r}, "text", 0).quality, 0.8, 1e-12);
  EXPECT_FALSE(s.outlook({"a", &r}, "single", 0).quality_measured);
  for (int i = 0; i < 100; ++i) s.judged("a", "text", false, i);
  EXPECT_LT(s.outlook({"a", &r}, "text", 100).quality, 0.45);
  s.measured("a", "single", 9000, 10000);   // a large board counts as 400 pictures
  for (int i = 0; i < 400; ++i) s.judged("a", "single", false, i);
  EXPECT_LT(s.outlook({"a", &r}, "single", 400).quality, 0.55);
}

TEST(Breakers, OpenAfterFiveInARowAndLetOneProbeThrough) {
  Breaker b;
  for (int i = 0; i < 4; ++i) b.failed(i);
  EXPECT_EQ(b.state(10), BreakerState::closed);
  b.failed(5);
  EXPECT_EQ(b.state(10), BreakerState::open);
  EXPECT_FALSE(b.take_probe(10));
  EXPECT_EQ(b.state(5 + 30'000), BreakerState::half_open);
  EXPECT_TRUE(b.take_probe(5 + 30'000));
  EXPECT_FALSE(b.take_probe(5 + 30'001));
  EXPECT_EQ(b.state(5 + 30'001), BreakerState::probing);
  b.succeeded(36'000);
  EXPECT_EQ(b.state(36'000), BreakerState::closed);
}

TEST(Breakers, EveryFailedProbeKeepsItOpenLongerUpToFiveMinutes) {
  Breaker b;
  for (int i = 0; i < 5; ++i) b.failed(0);
  std::int64_t now = 0;
  for (int n = 1; n <= 15; ++n) {
    EXPECT_EQ(b.open_until_ms() - now, std::min<std::int64_t>(300'000, n * 30'000)) << n;
    now = b.open_until_ms();
    ASSERT_TRUE(b.take_probe(now));
    b.failed(now);
  }
}

TEST(Breakers, OpenWhenMoreThanHalfOfTenFail) {
  Breaker b;
  for (int i = 0; i < 5; ++i) b.failed(i * 100), b.succeeded(i * 100 + 50);
  EXPECT_EQ(b.state(1000), BreakerState::closed);   // exactly half
  b.failed(1000);
  EXPECT_EQ(b.state(1000), BreakerState::open);
  Breaker old;
  for (int i = 0; i < 4; ++i) old.failed(i), old.succeeded(i);
  for (int i = 0; i < 4; ++i) old.failed(120'000 + i);
  EXPECT_EQ(old.state(120'010), BreakerState::closed);   // the first ones are out of the window
}

TEST(Breakers, ALostProbeIsGivenToAnotherAndLateAnswersDoNotCloseIt) {
  Breaker b;
  for (int i = 0; i < 5; ++i) b.failed(0);
  b.succeeded(100);   // a call from before
  EXPECT_EQ(b.state(200), BreakerState::open);
  ASSERT_TRUE(b.take_probe(30'000));
  EXPECT_EQ(b.state(30'000 + 180'000), BreakerState::half_open);
}

ProviderFailure failure(FailureClass c, std::optional<std::int64_t> hint = {}) {
  ProviderFailure f;
  f.failure = c, f.message = "m", f.retry_after_ms = hint;
  return f;
}

TEST(Health, RefusalsAndCallersMistakesAreNoSignOfIt) {
  HealthBoard h;
  const ModelRow r = row("a", "KEY");
  for (int i = 0; i < 50; ++i)
    for (const FailureClass c : {FailureClass::refused, FailureClass::caller_error, FailureClass::unsupported, FailureClass::cancelled, FailureClass::over_budget}) h.failed(r, failure(c), i);
  EXPECT_FALSE(h.problem(r, 100));
}

TEST(Health, EachKindOfFailureHasItsReason) {
  HealthBoard h;
  const ModelRow a = row("a", "KEY"), b = row("b", "KEY"), c = row("c"), d = row("d"), e = row("e");
  h.failed(a, failure(FailureClass::exhausted, 5000), 0);
  EXPECT_EQ(h.problem(b, 1000)->code, "credential_disabled");   // the same key
  EXPECT_FALSE(h.problem(b, 6000));
  h.failed(a, failure(FailureClass::auth), 6000);
  EXPECT_EQ(h.problem(b, 100 * kDay_ms)->code, "credential_disabled");
  h.restore_credential("KEY");
  EXPECT_FALSE(h.problem(b, 100 * kDay_ms));
  h.failed(c, failure(FailureClass::throttled, 3000), 0);
  EXPECT_EQ(h.problem(c, 2000)->code, "throttled");
  EXPECT_FALSE(h.problem(c, 3000));
  h.failed(d, failure(FailureClass::model_retired), 0);
  EXPECT_EQ(h.problem(d, kDay_ms)->code, "model_retired");
  for (int i = 0; i < 5; ++i) h.failed(e, failure(FailureClass::transient), 0);
  EXPECT_EQ(h.problem(e, 10)->code, "breaker_open");
  EXPECT_TRUE(h.problem(e, 10)->may_panic);
}

TEST(Health, AnEndpointThatAnswersLessThanItsTwinsIsEjected) {
  HealthBoard h(BreakerRules{.consecutive = 1000, .share = 0.9});
  const ModelRow a = row("a"), b = row("b"), c = row("c");
  ModelRow other = row("other");
  other.wire_model = "another model, and not to be compared";
  for (int i = 0; i < 400; ++i) {
    const std::int64_t now = i * 100;
    h.succeeded(a, now), h.succeeded(b, now);
    if (i % 5 < 2) h.failed(c, failure(FailureClass::transient), now), h.failed(other, failure(FailureClass::transient), now);
    else h.succeeded(c, now), h.succeeded(other, now);
  }
  EXPECT_EQ(h.state("c", 39'000), BreakerState::open);
  EXPECT_EQ(h.state("a", 39'000), BreakerState::closed);
  EXPECT_EQ(h.state("other", 39'000), BreakerState::closed);
}

TEST(Spending, MoneyIsReservedBeforeAndSettledAfter) {
  SpendBook book;
  EXPECT_TRUE(book.reserve("1", "slo", 0.04, 0.10, 0));
  EXPECT_TRUE(book.reserve("2", "slo", 0.04, 0.10, 0));
  EXPECT_FALSE(book.reserve("3", "slo", 0.04, 0.10, 0));
  EXPECT_TRUE(book.reserve("3", "other", 0.04, 0.10, 0));
  EXPECT_TRUE(book.reserve("free", "slo", 0, 0, 0));
  book.settle("1", 0, 0);
  EXPECT_NEAR(book.left_usd("slo", 0.10, 0), 0.06, 1e-9);
  book.settle("2", 0.03, 0.04);
  EXPECT_NEAR(book.left_usd("slo", 0.10, 0), 0.03, 1e-9);
  EXPECT_EQ(book.totals("slo", 0).possible_musd, 40'000);
  EXPECT_NEAR(book.left_usd("slo", 0.10, kDay_ms), 0.10, 1e-9);   // another day
}

TEST(Spending, SumsAreExactAndIdsAreUsedOnce) {
  SpendBook book;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(book.reserve(std::to_string(i), "slo", 0.07, 70, 0)) << i;
  EXPECT_FALSE(book.reserve("one more", "slo", 0.000001, 70, 0));
  EXPECT_THROW(book.reserve("7", "slo", 0, 70, 0), Error);
}

AttemptRecord attempt(const char* id, double price_usd) {
  AttemptRecord a;
  a.id = id, a.price_usd = price_usd;
  return a;
}

TEST(Spending, AfterARestartWhatNeverEndedMayHaveBeenBilled) {
  SpendBook book;
  AttemptRecord done = attempt("1", 0.04), lost = attempt("2", 0.05);
  done.ended = true, done.cost.usd = 0.03;
  book.restore("slo", {done, lost});
  EXPECT_EQ(book.totals("slo", 0).booked_musd, 30'000);
  EXPECT_EQ(book.totals("slo", 0).possible_musd, 50'000);
}

class FullDisk final : public Ledger {
 public:
  void open(const AttemptRecord&) override { throw Error(ErrorCode::io, "disk full"); }
  void note_remote_id(const std::string&, const std::string&) override {}
  void close(const AttemptRecord&) noexcept override {}
};

TEST(Spending, ALedgerWithACapRefusesBeforeAnythingIsSent) {
  MemoryLedger inner;
  SpendBook book;
  std::mutex lock;
  CappedLedger ledger(inner, book, lock, "slo", 0.10);
  AttemptRecord first = attempt("1", 0.08);
  const AttemptRecord second = attempt("2", 0.08);
  ledger.open(first);
  try {
    ledger.open(second);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::conflict);
  }
  EXPECT_EQ(inner.attempts().size(), 1u);
  first.ended = true;
  ledger.close(first);   // it failed: nothing booked
  EXPECT_NO_THROW(ledger.open(second));
  FullDisk full;
  CappedLedger broken(full, book, lock, "other", 0.10);
  EXPECT_THROW(broken.open(first), Error);
  EXPECT_EQ(book.totals("other", 0).all_musd(), 0);   // nothing stays reserved
}

}  // namespace
}  // namespace safelight
