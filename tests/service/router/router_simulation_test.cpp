// The first thirty hours of the simulation; the whole is router_simulation.cpp.
#include <gtest/gtest.h>

#include "tests/service/router/simulation.h"

namespace safelight::simulation {
namespace {

const Figures& part() {
  static const Figures figures = simulate({.first = 20'000}, 2);
  return figures;
}

TEST(RouterSimulation, RegretIsSmallAndNoPromiseIsBrokenNeedlessly) {
  EXPECT_LE(part().expected.share(), 0.02) << report(part());
  EXPECT_GE(part().expected.share(), 0) << "nothing can be expected to be better than the best plan";
  EXPECT_LE(part().realised.share(), 0.02);
  EXPECT_EQ(part().avoidable_hours, 0);
}

TEST(RouterSimulation, BreakersAndBudgetsBehaveAsDeclared) {
  EXPECT_GT(part().breakers_opened, 0);
  EXPECT_GT(part().probes, 0);
  EXPECT_EQ(part().calls_while_open, 0);
  EXPECT_EQ(part().shut_down_calls, 0);
  EXPECT_GT(part().most_usd_a_day_of_cap, 0.5);
  EXPECT_LE(part().most_usd_a_day_of_cap, 1);
}

TEST(RouterSimulation, TheSameInputGivesTheSamePlans) {
  const Extent few{.first = 1'000};
  const Figures one = simulate(few, 7), two = simulate(few, 7);
  EXPECT_EQ(one.digest, two.digest);
  EXPECT_NE(one.digest, simulate(few, 8).digest);
}

}  // namespace
}  // namespace safelight::simulation
