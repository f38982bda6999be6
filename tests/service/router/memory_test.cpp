// What a router knows again after a restart, and rows that cannot be reached from here.
#include "service/router/memory.h"

#include "tests/service/router/routes.h"

namespace safelight {
namespace {

AttemptRecord attempt(const std::string& job, const char* model, std::int64_t started_unix_ms, std::optional<FailureClass> failure = {}) {
  AttemptRecord a{.id = job + std::to_string(started_unix_ms), .job = job, .model = model, .protocol = "local", .started_unix_ms = started_unix_ms, .duration_ms = 200};
  a.ended = true;
  if (failure) a.failure = failure_of(*failure);
  else a.acceptance = Acceptance::accepted, a.images = 1;
  return a;
}

constexpr std::int64_t kNoon_ms = kNov25_ms + kDay_ms / 2;
constexpr Moment kNow{kNoon_ms, kNoon_ms};

TEST_F(Routes, ARestartedRouterKnowsLatenciesHealthAndSpending) {
  std::vector<AttemptRecord> ledger;
  for (int i = 0; i < 40; ++i) ledger.push_back(attempt("test/run", "good", kNoon_ms - 60'000 - i));
  for (int i = 0; i < 5; ++i) ledger.push_back(attempt("other/run", "quick", kNoon_ms - 10'000 + i, FailureClass::transient));
  AttemptRecord paid = attempt("test/run", "paid", kNoon_ms - 5'000);
  paid.cost.usd = 0.04;
  ledger.push_back(paid);
  AttemptRecord lost = attempt("test/run", "paid", kNoon_ms - 4'000);
  lost.ended = false, lost.price_usd = 0.04;
  ledger.push_back(lost);
  Router router(catalogue());
  router.declare(slo_);
  remember(router, catalogue(), "test", ledger, kNow);
  EXPECT_NEAR(router.statistics().outlook({"good", catalogue().find("good"), 1}, "single", kNow.steady_ms).latency.quantile(0.5), 200, 40);
  EXPECT_EQ(router.health().state("quick", kNow.steady_ms), BreakerState::open);
  EXPECT_NEAR(usd_of(router.spending().totals("test", kNow.unix_ms).booked_musd), 0.04, 1e-9);
  EXPECT_NEAR(usd_of(router.spending().totals("test", kNow.unix_ms).possible_musd), 0.04, 1e-9);
  EXPECT_EQ(router.spending().totals("other", kNow.unix_ms).all_musd(), 0);
}

TEST_F(Routes, ARefusedKeyAndOldTroubleAreForgotten) {
  Router router(catalogue());
  router.declare(slo_);
  std::vector<AttemptRecord> ledger = {attempt("test/run", "paid", kNoon_ms - 5'000, FailureClass::auth)};
  for (int i = 0; i < 9; ++i) ledger.push_back(attempt("test/run", "quick", kNoon_ms - kDay_ms / 2 + i, FailureClass::transient));
  remember(router, catalogue(), "test", ledger, kNow);
  EXPECT_FALSE(router.health().problem(catalogue().row("paid"), kNow.steady_ms));
  EXPECT_EQ(router.health().state("quick", kNow.steady_ms), BreakerState::closed);
}

TEST_F(Routes, WhatCannotBeReachedIsDroppedAndSaysWhy) {
  ProviderEntry local;
  local.name = "local";
  auto closed = unreachable_rows(catalogue(), {}, {});
  EXPECT_EQ(closed.at("good").code, "not_connected");
  EXPECT_EQ(closed.at("paid").code, "no_credential");
  EXPECT_NE(closed.at("paid").reason.find("KEY"), std::string::npos);
  closed = unreachable_rows(catalogue(), {local}, [](const std::string&) { return Secret("k"); });
  EXPECT_TRUE(closed.empty());
  RouteRequest r = request();
  r.closed = unreachable_rows(catalogue(), {local}, [](const std::string&) { return Secret(""); });
  EXPECT_EQ(reason(plan(r), "paid"), "no_credential");
  EXPECT_EQ(reason(plan(r), "good"), "");
}

}  // namespace
}  // namespace safelight
