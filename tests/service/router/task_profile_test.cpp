#include "service/router/task_profile.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace safelight {
namespace {

TaskProfile of(const std::string& prompt) {
  ImageRequest request;
  request.prompt = prompt;
  return task_profile(request, RouteMode::faithful);
}

TEST(TaskProfiles, QuotedTextIsFoundInEveryKindOfQuotes) {
  EXPECT_EQ(quoted_texts("a shop sign that says \"OPEN 24H\""), std::vector<std::string>{"OPEN 24H"});
  EXPECT_EQ(quoted_texts("\u201cA\u201d, \u201eB\u201c and \u00abC\u00bb"), (std::vector<std::string>{"A", "B", "C"}));
  EXPECT_EQ(quoted_texts("a sign 'OPEN' beside a board 'SHUT'"), (std::vector<std::string>{"OPEN", "SHUT"}));
  EXPECT_EQ(quoted_texts("the 'BAKER'S' sign"), std::vector<std::string>{"BAKER'S"});
}

TEST(TaskProfiles, WhatIsNotAQuoteIsNone) {
  EXPECT_TRUE(quoted_texts("the dog's bowl and the cats' house").empty());
  EXPECT_TRUE(quoted_texts("an opened \"quote").empty());
  EXPECT_TRUE(quoted_texts("nothing in \"\"").empty());
  EXPECT_TRUE(quoted_texts("").empty());
  EXPECT_TRUE(quoted_texts("\xff\xfe \"").empty());
}

TEST(TaskProfiles, LettersAreCodePointsWithoutBlanks) {
  EXPECT_EQ(of("\"OPEN 24H\"").letters, 7);
  EXPECT_EQ(of("\"CAF\u00c9\"").letters, 4);
}

TEST(TaskProfiles, TheTaskFollowsWhatIsAsked) {
  EXPECT_EQ(of("a red circle").task, "single");
  EXPECT_EQ(of("a red circle and a blue ring").task, "two");
  EXPECT_EQ(of("a red circle left of a blue square").task, "position");
  EXPECT_EQ(of("three green rings on a gray background").task, "count");
  EXPECT_EQ(of("a shop sign that says \"OPEN\"").task, "text");
  EXPECT_EQ(of("a shop sign that says \"OPEN 24H\"").task, "text-5-8");
  EXPECT_EQ(of("").task, "single");
}

TEST(TaskProfiles, ObjectsAreCountedAndBackgroundsAreNot) {
  EXPECT_EQ(of("a red circle on a black background").objects, 1);
  EXPECT_EQ(of("two people and a dog").objects, 3);
  EXPECT_EQ(of("12 candles").objects, 12);
  EXPECT_EQ(of("a sign that says \"3 FOR TWO\"").objects, 1);
}

TEST(TaskProfiles, StyleIsTheRequestsOwnOrThePrompts) {
  EXPECT_EQ(of("a watercolour of a lighthouse").style, "watercolour");
  ImageRequest request;
  request.prompt = "an oil painting";
  request.style = "vivid";
  EXPECT_EQ(task_profile(request, RouteMode::fast).style, "vivid");
}

TEST(RouteModes, NamesGoBothWaysAndWeightsAddUp) {
  for (const ModeTraits& t : mode_table()) {
    EXPECT_EQ(route_mode(t.name), t.mode);
    EXPECT_EQ(traits(t.mode).name, t.name);
    EXPECT_NEAR(t.cost + t.time + t.quality, 1, 1e-12) << t.name;
  }
  try {
    route_mode("quick");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("fast, faithful, typography, bulk, cheapest"), std::string::npos);
  }
}

}  // namespace
}  // namespace safelight
