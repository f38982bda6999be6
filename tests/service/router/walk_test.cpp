// Walking a plan, what is served, and the router that keeps the books of it.
#include "common/base/error.h"
#include "tests/service/router/routes.h"

namespace safelight {
namespace {

AttemptResult failed(std::size_t step, FailureClass c, Acceptance a = Acceptance::rejected) {
  return {.step = step, .failure = failure_of(c, a), .judgement = {}};
}

class Walks : public Routes {
 protected:
  // A paid first choice, then a paid and a free one.
  RoutePlan three() const {
    RoutePlan p;
    p.limit_ms = 10000, p.deadline_ms = 20000;
    const auto step = [&](const char* row, bool free, double p50, double sure, double reserve) {
      RouteStep s = free_step(row, 0.9, sure, sure);
      if (!p.steps.empty()) s.rung = "next-provider", s.when = {std::begin(kTriggers), std::end(kTriggers)};
      s.free = free, s.usd = free ? 0 : 0.04, s.p50_ms = p50, s.reserve_ms = reserve;
      p.steps.push_back(s);
    };
    step("paid", false, 4000, 7000, 1000), step("ending", false, 4000, 6000, 1000), step("quick", true, 300, 1000, -1);
    return p;
  }
};

TEST_F(Walks, TimeForTheNextStepIsKept) {
  Walk walk;
  const RoutePlan p = three();
  const Move first = first_move(p, walk);
  EXPECT_EQ(first.step, 0u);
  EXPECT_EQ(first.timeout_ms, 9000);   // 1 s of the 10 is kept for the free row
  walk.elapsed_ms = 300;
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::transient)).timeout_ms, 8700);
}

TEST_F(Walks, AStepThatWouldHardlyEndInTimeIsSkipped) {
  Walk walk{.elapsed_ms = 8000};
  const Move m = next_move(three(), walk, failed(0, FailureClass::transient));
  EXPECT_EQ(m.step, 2u);
  EXPECT_EQ(m.timeout_ms, 12000);   // the last may take until the deadline
}

TEST_F(Walks, ALateStartSkipsWhatThereIsNoTimeFor) {
  Walk walk{.elapsed_ms = 8000};
  const Move m = first_move(three(), walk);
  EXPECT_EQ(m.step, 2u);
  EXPECT_EQ(m.trigger, "deadline");
  RoutePlan queued = three();
  queued.steps[0].queue_ms = queued.steps[1].queue_ms = 8000;
  walk.elapsed_ms = 0;
  EXPECT_EQ(first_move(queued, walk).trigger, "queue");
}

TEST_F(Walks, AfterACallThatMayHaveBeenBilledOnlyWhatThePolicyAllows) {
  RoutePlan p = three();
  Walk walk{.elapsed_ms = 100};
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::ambiguous, Acceptance::unknown)).step, 2u);
  EXPECT_TRUE(walk.free_only);
  walk = {.elapsed_ms = 100};
  p.after_ambiguous = AfterAmbiguous::any;
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::ambiguous, Acceptance::unknown)).step, 1u);
  walk = {.elapsed_ms = 100};
  p.after_ambiguous = AfterAmbiguous::stop;
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::ambiguous, Acceptance::unknown)).kind, MoveKind::refuse);
}

TEST_F(Walks, RefusalsAndMistakesEndItUnlessThePolicySaysOtherwise) {
  RoutePlan p = three();
  Walk walk;
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::refused)).kind, MoveKind::refuse);
  p.on_refusal = true;
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::refused)).kind, MoveKind::attempt);
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::caller_error)).kind, MoveKind::refuse);
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::cancelled)).kind, MoveKind::refuse);
}

TEST_F(Walks, TriggersOpenOnlyTheStepsThatNameThem) {
  RoutePlan p = three();
  p.steps[1].when = {"verdict"};
  Walk walk{.elapsed_ms = 100};
  EXPECT_EQ(next_move(p, walk, failed(0, FailureClass::transient)).step, 2u);
  const Judgement bad{.passes = false, .shown = {"text"}, .refused = {"text"}, .why = "wrong text"};
  EXPECT_EQ(next_move(p, walk, {.step = 0, .failure = {}, .judgement = bad}).step, 1u);
  EXPECT_EQ(next_move(p, walk, {.step = 2, .failure = {}, .judgement = bad}).kind, MoveKind::refuse);
  EXPECT_EQ(next_move(p, walk, {.step = 0, .failure = {}, .judgement = Judgement{}}).kind, MoveKind::deliver);
}

TEST_F(Walks, NeverLongerThanThePlanAndNeverPastTheDeadline) {
  for (const FailureClass c : {FailureClass::transient, FailureClass::ambiguous, FailureClass::deadline, FailureClass::throttled}) {
    const RoutePlan p = three();
    Walk walk;
    int attempts = 0;
    for (Move m = first_move(p, walk); m.kind == MoveKind::attempt; m = next_move(p, walk, failed(m.step, c, Acceptance::unknown))) {
      ++attempts;
      walk.elapsed_ms += m.timeout_ms;
      ASSERT_LE(walk.elapsed_ms, p.deadline_ms);
      ASSERT_LE(attempts, 3);
    }
  }
}

TEST_F(Walks, TheResultSaysWhatWasAskedServedWhyAndWhatItCost) {
  const RoutePlan p = three();
  RouteRequest r = request();
  ServedRecord record(p, r.image);
  Walk walk;
  record.moved(first_move(p, walk));
  record.attempted(0, 0.04);
  walk.elapsed_ms = 9000;
  const Move second = next_move(p, walk, failed(0, FailureClass::ambiguous, Acceptance::unknown));
  record.moved(second);
  record.attempted(0, 0);
  record.moved(next_move(p, walk, {.step = second.step, .failure = {}, .judgement = Judgement{.shown = {"blur"}, .refused = {}, .why = "blur may pass"}}));
  const Served s = record.finish(9400, Judgement{.shown = {"blur"}, .refused = {}, .why = {}});
  EXPECT_EQ(s.outcome, "degraded");
  EXPECT_EQ(s.first_choice, "paid");
  EXPECT_EQ(s.model, "quick");
  EXPECT_EQ(s.attempts, 2);
  EXPECT_EQ(s.possible_usd, 0.04);
  EXPECT_TRUE(s.on_time);
  EXPECT_NE(label(s).find("[blur]"), std::string::npos);
  EXPECT_NE(s.why.at(1).find("ambiguous"), std::string::npos);
  EXPECT_EQ(to_json(s).at("served").at("rung"), "next-provider");
}

TEST_F(Routes, TheRouterCountsPromisesAndLearns) {
  router_.declare(slo_);
  EXPECT_THROW(router_.declare(slo_), Error);
  EXPECT_THROW(router_.plan(request(), "other", {}), Error);
  Slo wrong = slo_;
  wrong.name = "wrong";
  wrong.ladder = {rung("distilled-model", "gone")};
  EXPECT_THROW(router_.declare(wrong), Error);

  const RoutePlan p = router_.plan(request(), "test", {0, kNov25_ms});
  const RouteStep& s = p.steps.front();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(router_.admit(p, s, {i, kNov25_ms}));
    router_.attempted(p, s, {.failure = failure_of(FailureClass::transient), .ms = 10, .right = {}}, {i, kNov25_ms});
    router_.served("test", refused(), {}, {i, kNov25_ms});
  }
  EXPECT_FALSE(router_.admit(p, s, {10, kNov25_ms}));
  EXPECT_NE(router_.plan(request(), "test", {10, kNov25_ms}).steps.front().row, s.row);
  EXPECT_TRUE(router_.admit(p, s, {40'000, kNov25_ms}));    // the probe
  EXPECT_FALSE(router_.admit(p, s, {40'001, kNov25_ms}));   // there is only one
  router_.attempted(p, s, {.failure = {}, .ms = 900, .right = true}, {41'000, kNov25_ms});
  EXPECT_TRUE(router_.admit(p, s, {41'001, kNov25_ms}));
  for (const BudgetReport& b : router_.budgets("test", {41'002, kNov25_ms})) EXPECT_EQ(b.bad, b.objective == "quality" ? 0u : 5u) << b.objective;
}

TEST_F(Routes, PaidFallbacksAreHeldToABudgetAndFreeOnesAreNot) {
  router_.declare(slo_);
  RoutePlan p;
  p.slo = "test";
  p.steps = {free_step("good", 0.9, 3000, 4000), free_step("paid", 0.9, 5000, 6000), free_step("quick", 0.9, 300, 400)};
  p.steps[1].rung = p.steps[2].rung = "next-provider";
  p.steps[1].free = false;
  int paid = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(router_.admit(p, p.steps[0], {i, kNov25_ms}));
    paid += router_.admit(p, p.steps[1], {i, kNov25_ms});
    ASSERT_TRUE(router_.admit(p, p.steps[2], {i, kNov25_ms}));
  }
  EXPECT_NEAR(paid, 200, 12);
}

TEST_F(Routes, ACallThatHangsCountsAgainstHealthAndOneCutShortDoesNot) {
  const RoutePlan p = plan(request());
  const RouteStep& s = p.steps.front();
  const AttemptReport cut{.failure = failure_of(FailureClass::deadline), .ms = s.p50_ms, .right = {}};
  for (int i = 0; i < 20; ++i) router_.attempted(p, s, cut, {i, kNov25_ms});
  EXPECT_EQ(router_.health().state(s.row, 30), BreakerState::closed);
  AttemptReport hung = cut;
  hung.ms = s.sure_ms * 2;
  for (int i = 0; i < 5; ++i) router_.attempted(p, s, hung, {30 + i, kNov25_ms});
  EXPECT_EQ(router_.health().state(s.row, 40), BreakerState::open);
}

}  // namespace
}  // namespace safelight
