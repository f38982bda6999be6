// Eligibility, choice, the ladder, hedging and batches.
#include <algorithm>
#include <set>

#include "common/base/error.h"
#include "service/router/batch.h"
#include "service/router/hedge.h"
#include "tests/service/router/routes.h"

namespace safelight {
namespace {

TEST_F(Routes, EveryRowIsInThePlanOrDroppedWithAReason) {
  for (const RouteMode mode : {RouteMode::fast, RouteMode::faithful, RouteMode::cheapest, RouteMode::typography}) {
    const RoutePlan p = plan(request("a sign that says \"OPEN\"", mode));
    for (const ModelRow& row : catalogue().rows()) {
      const bool in_plan = std::any_of(p.steps.begin(), p.steps.end(), [&](const RouteStep& s) { return s.row == row.id; });
      EXPECT_NE(in_plan, !reason(p, row.id).empty()) << row.id;
    }
    for (const DroppedRow& d : p.dropped) EXPECT_FALSE(d.reason.empty());
    EXPECT_FALSE(p.why.empty());
  }
}

TEST_F(Routes, TheModeDecidesWhatIsFirst) {
  EXPECT_EQ(plan(request("a red circle", RouteMode::fast)).steps.front().row, "quick");
  EXPECT_EQ(plan(request("a red circle", RouteMode::cheapest)).steps.front().free, true);
  slo_.cost.per_image_usd = 10;   // money hardly counts
  slo_.cost.per_day_usd = 1000;
  EXPECT_EQ(plan(request("a sign that says \"OPEN\"", RouteMode::typography)).steps.front().row, "letters");
  slo_.latency = {.percentile = 0.95, .limit_ms = 60000, .deadline_ms = 90000};   // nor does time
  EXPECT_EQ(plan(request("a sign that says \"OPEN\"", RouteMode::typography)).steps.front().row, "paid");
}

TEST_F(Routes, TheSignGoesToATextAwareModel) {
  slo_.cost = {};
  const RoutePlan p = plan(request("a shop sign that says \"OPEN\"", RouteMode::typography));
  EXPECT_EQ(p.steps.front().row, "letters");
  EXPECT_EQ(reason(p, "paid"), "over_price");
  EXPECT_EQ(reason(p, "good"), "no_capability:text");
}

TEST_F(Routes, ReasonsSayWhatIsWrong) {
  RouteRequest r = request();
  r.image.style = "vivid";
  EXPECT_EQ(reason(plan(r), "good"), "no_capability:style");
  r = request();
  r.image.mask = "png";
  EXPECT_EQ(reason(plan(r), "paid"), "no_capability:mask");
  r = request();
  r.image.width_px = 777;
  EXPECT_EQ(reason(plan(r), "good"), "size_unsupported");
  slo_.quality.floor = 0.9;
  slo_.fallback.attempts = 8;
  EXPECT_EQ(reason(plan(request()), "quick"), "");   // a rung of the ladder leads to it
  slo_.ladder.clear();
  EXPECT_EQ(reason(plan(request()), "quick"), "below_quality_floor");
  EXPECT_EQ(reason(plan(request("two red circles")), "good"), "quality_unmeasured");
  slo_.quality.unmeasured = "allow";
  EXPECT_NE(reason(plan(request("two red circles")), "good"), "quality_unmeasured");
  slo_.models.never = {"paid"};
  EXPECT_EQ(reason(plan(request()), "paid"), "not_allowed");
  slo_.latency.limit_ms = 1000;
  EXPECT_EQ(reason(plan(request()), "good"), "over_deadline");
}

TEST_F(Routes, AShutdownDateIsKept) {
  EXPECT_NE(reason(plan(request()), "ending"), "model_retired");
  EXPECT_EQ(reason(plan(request(), 6 * kDay_ms), "ending"), "model_retired");
}

TEST_F(Routes, ANamedModelIsFirstOrItsSuccessorWhereThatIsAllowed) {
  RouteRequest r = request();
  r.image.model = "ending";
  EXPECT_EQ(plan(r).steps.front().row, "ending");
  EXPECT_EQ(reason(plan(r), "good"), "not_asked_for");
  slo_.ladder.clear();
  EXPECT_TRUE(plan(r, 6 * kDay_ms).steps.empty());
  slo_.fallback.successor = true;
  EXPECT_EQ(plan(r, 6 * kDay_ms).steps.front().row, "paid");
}

TEST_F(Routes, OpenBreakersAreLeftOutUnlessNothingElseIsLeft) {
  fail("good", FailureClass::transient, 5);
  EXPECT_EQ(reason(plan(request(), 10), "good"), "breaker_open");
  EXPECT_FALSE(plan(request(), 10).panic);
  for (const char* row : {"quick", "letters", "paid", "ending"}) fail(row, FailureClass::transient, 5);
  const RoutePlan p = plan(request(), 10);
  EXPECT_TRUE(p.panic);
  EXPECT_FALSE(p.steps.empty());
  router_.declare(slo_);
  EXPECT_TRUE(router_.admit(p, p.steps.front(), {10, kNov25_ms}));
}

TEST_F(Routes, NobodyPanicsOverAKeyThatIsRefused) {
  slo_.models.only = {"paid", "ending"};
  fail("paid", FailureClass::auth, 1);
  const RoutePlan p = plan(request(), 10);
  EXPECT_FALSE(p.panic);
  EXPECT_TRUE(p.steps.empty());
  EXPECT_EQ(reason(p, "ending"), "credential_disabled");
  Walk walk;
  EXPECT_EQ(first_move(p, walk).kind, MoveKind::refuse);
}

TEST_F(Routes, ALongQueueSendsItElsewhere) {
  slo_.models.only = {"good", "letters"};
  RouteRequest r = request();
  EXPECT_EQ(plan(r).steps.front().row, "good");
  r.queue_ms["good"] = 6000;
  EXPECT_EQ(plan(r).steps.front().row, "letters");
}

TEST_F(Routes, AShortDeadlineTakesTheLadder) {
  slo_.quality.floor = 0.9;
  slo_.latency = {.percentile = 0.95, .limit_ms = 2000, .deadline_ms = 2000};
  slo_.ladder = {rung("distilled-model", "quick")};
  const RoutePlan p = plan(request());
  EXPECT_EQ(reason(p, "paid"), "over_deadline");
  ASSERT_FALSE(p.steps.empty());
  EXPECT_EQ(p.steps.front().rung, "distilled-model");
  EXPECT_EQ(p.steps.front().row, "quick");
  slo_.latency = {.percentile = 0.95, .limit_ms = 100, .deadline_ms = 100};
  RouteRequest r = request();
  Walk walk;
  slo_.ladder = {rung("preview")};
  EXPECT_EQ(first_move(plan(r), walk).kind, MoveKind::refuse);
  r.has_preview = true;
  const RoutePlan preview = plan(r);
  ASSERT_EQ(preview.steps.size(), 1u);
  EXPECT_EQ(preview.steps.front().row, "");
  EXPECT_EQ(first_move(preview, walk).kind, MoveKind::attempt);
}

TEST_F(Routes, TheRequestsOwnDeadlineCountsAndAnUnknownModelIsRefused) {
  RouteRequest r = request();
  r.image.deadline_ms = 2000;
  const RoutePlan p = plan(r);
  EXPECT_EQ(p.deadline_ms, 2000);
  EXPECT_EQ(p.steps.front().row, "quick");
  EXPECT_EQ(reason(p, "good"), "over_deadline");
  r.image.model = "gone";
  EXPECT_THROW(plan(r), Error);
}

TEST_F(Routes, TheLadderIsDescendedInItsOrder) {
  slo_.models.only = {"good", "letters", "quick"};
  slo_.quality.floor = 0.9;
  slo_.fallback.attempts = 8;
  slo_.ladder = {rung("fewer-steps"), rung("smaller-size"), rung("text-encoder", "letters"), rung("distilled-model", "quick"), rung("next-provider")};
  const RoutePlan p = plan(request());
  EXPECT_EQ(options(p), (std::vector<std::string>{"good", "good+fewer-steps", "good+smaller-size", "quick", "letters"}));
  EXPECT_EQ(p.steps[1].steps_share, 0.5);
  EXPECT_EQ(p.steps[2].width_px, 256);
  EXPECT_EQ(p.steps[2].upscaler, "lanczos");
  EXPECT_LT(p.steps[2].p50_ms, p.steps[0].p50_ms / 2);
  slo_.quality.floor = 0.5;
  const auto sign = options(plan(request("a sign that says \"OPEN\"")));
  EXPECT_NE(std::find(sign.begin(), sign.end(), "letters"), sign.end());
}

TEST_F(Routes, SpentMoneyLeavesFreeRows) {
  slo_.cost.per_day_usd = 0.05;
  ASSERT_TRUE(router_.spending().reserve("x", "test", 0.04, 0.05, kNov25_ms));
  const RoutePlan p = plan(request());
  EXPECT_EQ(reason(p, "paid"), "over_day_budget");
  EXPECT_TRUE(std::all_of(p.steps.begin(), p.steps.end(), [](const RouteStep& s) { return s.free; }));
}

TEST_F(Routes, TheSameInputGivesTheSamePlan) {
  for (int i = 0; i < 40; ++i) router_.statistics().answered("good", 2000 + 37 * i, i * 1000);
  const std::string one = to_json(plan(request(), 60'000)).dump();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(to_json(plan(request(), 60'000)).dump(), one);
}

TEST_F(Routes, ThePlanAsJsonNamesTheChosenRowFirst) {
  const RoutePlan p = plan(request());
  const Json json = to_json(p);
  EXPECT_EQ(json.at("plan").at(0).at("model"), p.steps.front().row);
  EXPECT_TRUE(json.at("plan").at(0).at("rung").is_null());
  ASSERT_FALSE(json.at("dropped").empty());
  for (const Json& d : json.at("dropped")) EXPECT_TRUE(d.contains("model") && d.contains("code") && d.contains("reason"));
}

TEST_F(Routes, ExploringTriesWhatIsLittleKnownAndOnlyInCalm) {
  for (int i = 0; i < 40; ++i) router_.statistics().answered("good", 2500, i * 1000);
  const RouterState state{catalogue(), router_.statistics(), router_.health(), router_.spending()};
  int explored = 0;
  std::set<std::string> tried;
  for (int i = 0; i < 2000; ++i) {
    RouteRequest r = request();
    r.id = "job " + std::to_string(i);
    const RoutePlan p = make_plan(r, slo_, state, {60'000, kNov25_ms}, {.explore = 0.05});
    explored += p.explored;
    if (p.explored) tried.insert(p.steps.front().row);
    EXPECT_FALSE(make_plan(r, slo_, state, {60'000, kNov25_ms}, {.explore = 0.05}, false).explored);
  }
  EXPECT_GT(explored, 60);
  EXPECT_LT(explored, 140);
  EXPECT_FALSE(tried.contains(plan(request(), 60'000).steps.front().row));
}

TEST_F(Routes, HedgingOnlyWhereItCostsNothing) {
  slo_.models.only = {"good", "letters", "paid"};
  slo_.latency = {.percentile = 0.95, .limit_ms = 60000, .deadline_ms = 60000};
  RoutePlan p = plan(request("a red circle", RouteMode::cheapest));
  ASSERT_TRUE(p.steps.front().free);
  EXPECT_FALSE(hedge_for(p, {}).may);
  const Hedge h = hedge_for(p, {"good", "letters"});
  EXPECT_EQ(h.may, p.steps.at(h.step).quality >= p.steps.front().quality && h.step > 0) << h.why;
  std::swap(p.steps[0], *std::find_if(p.steps.begin(), p.steps.end(), [](const RouteStep& s) { return !s.free; }));
  EXPECT_FALSE(hedge_for(p, {"good", "letters"}).may);
  p.steps = {free_step("letters", 0.94, 5000, 6000), free_step("good", 0.95, 3500, 4000)};
  EXPECT_TRUE(hedge_for(p, {"good"}).may);
  EXPECT_EQ(hedge_for(p, {"good"}).after_ms, 5000);
  p.limit_ms = 8000;
  EXPECT_FALSE(hedge_for(p, {"good"}).may);
}

TEST_F(Routes, ABatchKeepsItsModelStyleAndSeedRule) {
  RouteRequest first = request("a red circle", RouteMode::bulk);
  const RoutePlan p = plan(first);
  const BatchPin pin = pin_batch(p, first.image, catalogue().row(p.steps.front().row), SeedRule::consecutive, 100);
  for (int i = 0; i < 3; ++i) {
    const RouteRequest r = pinned_request(pin, request("a blue ring", RouteMode::bulk), i);
    EXPECT_EQ(r.image.seed, 100u + static_cast<unsigned>(i));
    const RoutePlan pinned = plan(r);
    ASSERT_EQ(pinned.steps.size(), 1u);   // no other model and no rung
    EXPECT_EQ(pinned.steps.front().row, pin.model);
  }
  RouteRequest other = request();
  other.image.style = "vivid";
  EXPECT_THROW(pinned_request(pin, other, 0), Error);
  fail(pin.model, FailureClass::transient, 5);
  fail(pin.model, FailureClass::model_retired, 1);
  EXPECT_TRUE(plan(pinned_request(pin, request("a blue ring"), 3)).steps.empty());   // refused rather than changed
  EXPECT_EQ(seed_rule("same"), SeedRule::same);
  EXPECT_THROW(seed_rule("random"), Error);
}

TEST(StyleSpreads, FindThePictureThatLooksOtherwise) {
  std::vector<ImageStatistics> pictures(8);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i].mean_luma = 120 + static_cast<double>(i % 3), pictures[i].mean_chroma = 40;
  pictures[5].mean_chroma = 90;
  const StyleSpread s = style_spread(pictures);
  EXPECT_EQ(s.odd_one, 5);
  EXPECT_EQ(s.odd_by, 100);
  EXPECT_NEAR(s.figures.at(2).mean, 46.25, 1e-9);
  EXPECT_EQ(style_spread(std::span(pictures).first(2)).odd_one, -1);
  EXPECT_EQ(style_spread({}).figures.size(), 7u);
}

}  // namespace
}  // namespace safelight
