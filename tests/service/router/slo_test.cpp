#include "service/router/slo.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace safelight {
namespace {

std::string refusal(const std::string& toml) {
  try {
    parse_slo(toml, "test");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), toml.find("x = [") == std::string::npos ? ErrorCode::invalid_argument : ErrorCode::corrupt_file);  // the latter is no TOML
    return e.what();
  }
  return "";
}

TEST(Slos, EveryKeyIsRead) {
  const Slo s = parse_slo(R"(
name = "signs"
mode = "typography"
latency = { percentile = 0.9, limit_ms = 8000, deadline_ms = 12000 }
cost = { per_image_usd = 0.05, per_day_usd = 20 }
quality = { floor = 0.8, unmeasured = "allow" }
failures = { accept = ["blur"], refuse = ["text", "provider"], others = "accept", shows_above = 0.2 }
budget = { answered = 0.999, period_days = 7 }
fallback = { attempts = 3, on_refusal = true, after_ambiguous = "any", successor = true }
models = { only = ["a"], never = ["b"] }
[[ladder]]
rung = "fewer-steps"
when = ["deadline"]
share = 0.4
[[ladder]]
rung = "text-encoder"
model = "a"
)", "test");
  EXPECT_EQ(s.name, "signs");
  EXPECT_EQ(s.latency.limit_ms, 8000);
  EXPECT_EQ(s.deadline_ms(), 12000);
  EXPECT_EQ(s.cost.per_day_usd, 20);
  EXPECT_EQ(s.failures.refuse, (std::vector<std::string>{"text", "provider"}));
  EXPECT_EQ(s.budget.period_days, 7);
  EXPECT_TRUE(s.fallback.successor);
  ASSERT_EQ(s.ladder.size(), 2u);
  EXPECT_EQ(s.ladder[0].share, 0.4);
  EXPECT_EQ(s.ladder[1].model, "a");
}

TEST(Slos, WhatIsLeftOutIsCautious) {
  const Slo s = parse_slo("name = \"n\"", "test");
  EXPECT_EQ(s.cost.per_image_usd, 0);
  EXPECT_EQ(s.failures.others, "refuse");
  EXPECT_EQ(s.quality.unmeasured, "refuse");
  EXPECT_FALSE(s.fallback.on_refusal);
  EXPECT_EQ(s.deadline_ms(), s.latency.limit_ms);
}

TEST(Slos, AllProblemsAreListedAtOnceWithWhatIsAllowed) {
  const std::string text = refusal("name = \"n\"\nmode = \"quick\"\ncolour = 1\nlatency = { limit_ms = -5, percentle = 0.9 }\nfailures = { accept = [\"ugly\"] }\n");
  for (const char* part : {"mode is 'quick'", "fast, faithful", "colour is unknown", "limit_ms", "latency.percentle is unknown", "known: percentile, limit_ms, deadline_ms", "holds 'ugly'", "seams", "text-encoder"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

TEST(Slos, ImpossibleValuesAreRefused) {
  const std::string n = "name = \"n\"\n";
  EXPECT_NE(refusal("").find("name is missing"), std::string::npos);
  EXPECT_NE(refusal(n + "cost = { per_day_usd = nan }").find("per_day_usd"), std::string::npos);
  EXPECT_NE(refusal(n + "cost = { per_day_usd = -1.0 }").find("per_day_usd"), std::string::npos);
  EXPECT_NE(refusal(n + "cost = { per_image_usd = \"free\" }").find("per_image_usd"), std::string::npos);
  EXPECT_NE(refusal(n + "latency = { limit_ms = 5000, deadline_ms = 4000 }").find("deadline_ms"), std::string::npos);
  EXPECT_NE(refusal(n + "latency = { limit_ms = 1.5 }").find("limit_ms"), std::string::npos);
  EXPECT_NE(refusal(n + "latency = { percentile = 1.0 }").find("percentile"), std::string::npos);
  EXPECT_NE(refusal(n + "budget = { period_days = 1000000 }").find("period_days"), std::string::npos);
  EXPECT_NE(refusal(n + "fallback = { attempts = 0 }").find("attempts"), std::string::npos);
  EXPECT_NE(refusal(n + "failures = { accept = [\"text\"], refuse = [\"text\"] }").find("both"), std::string::npos);
  EXPECT_NE(refusal(n + "models = { only = [\"a\"], never = [\"a\"] }").find("both"), std::string::npos);
  EXPECT_NE(refusal(n + "mode = 2026-01-01").find("in quotes"), std::string::npos);
  EXPECT_NE(refusal(n + "x = [").find("line 2"), std::string::npos);
}

TEST(Slos, LaddersAreChecked) {
  const std::string n = "name = \"n\"\n[[ladder]]\n";
  EXPECT_NE(refusal(n + "rung = \"give-up\"").find("known: next-provider, fewer-steps, distilled-model"), std::string::npos);
  EXPECT_NE(refusal(n + "rung = \"distilled-model\"").find("model is missing"), std::string::npos);
  EXPECT_NE(refusal(n + "rung = \"fewer-steps\"\nmodel = \"a\"").find("has no meaning"), std::string::npos);
  EXPECT_NE(refusal(n + "rung = \"fewer-steps\"\nshare = 1.0").find("share"), std::string::npos);
  EXPECT_NE(refusal(n + "rung = \"preview\"\nwhen = [\"monday\"]").find("deadline, queue, verdict, down"), std::string::npos);
  EXPECT_NE(refusal(n + "rung = \"preview\"\n[[ladder]]\nrung = \"preview\"").find("repeats"), std::string::npos);
}

TEST(Slos, TheExamplesAreValid) {
  int found = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(SAFELIGHT_SOURCE) / "docs/slo-examples")) {
    EXPECT_NO_THROW(read_slo(file.path())) << file.path();
    ++found;
  }
  EXPECT_GE(found, 3);
  EXPECT_THROW(read_slo("/nowhere/slo.toml"), Error);
}

Verdict verdict(std::vector<SymptomScore> scores, const std::string& subsystem = "") {
  Verdict v;
  v.scores = std::move(scores);
  v.subsystem = subsystem;
  return v;
}

FailurePolicy listed(std::vector<std::string> accept, std::vector<std::string> refuse) {
  FailurePolicy p;
  p.accept = std::move(accept), p.refuse = std::move(refuse);
  return p;
}

TEST(FailurePolicies, ASoftTextureMayPassAndWrongTextMayNot) {
  const FailurePolicy policy = listed({"blur"}, {"text"});
  EXPECT_TRUE(judge(policy, verdict({{"blur", 0.9}, {"text", 0.05}, {"overall", 0.9}}, "decoder")).passes);
  const Judgement wrong = judge(policy, verdict({{"blur", 0.9}, {"text", 0.8}}, "text-encoder"));
  EXPECT_FALSE(wrong.passes);
  EXPECT_EQ(wrong.refused, std::vector<std::string>{"text"});
  EXPECT_EQ(wrong.why, "the picture shows text, which may not pass");
}

TEST(FailurePolicies, WhatIsNotListedFollowsOthers) {
  FailurePolicy policy = listed({"blur"}, {"text"});
  EXPECT_FALSE(judge(policy, verdict({{"banding", 0.5}})).passes);
  policy.others = "accept";
  EXPECT_TRUE(judge(policy, verdict({{"banding", 0.5}})).passes);
  EXPECT_FALSE(judge(policy, verdict({{"text", 0.5}})).passes);
}

TEST(FailurePolicies, ASubsystemCountsWhereItIsNamedOrNothingElseShows) {
  const FailurePolicy policy = listed({"blur", "guidance"}, {"provider"});
  EXPECT_FALSE(judge(policy, verdict({{"blur", 0.5}}, "provider")).passes);
  EXPECT_TRUE(judge(policy, verdict({{"blur", 0.5}}, "scheduler")).passes);   // only the blur counts
  EXPECT_FALSE(judge(policy, verdict({}, "scheduler")).passes);
  EXPECT_TRUE(judge(policy, verdict({}, "guidance")).passes);
}

TEST(FailurePolicies, HealthyPassesAndUndeterminedFollowsOthers) {
  Verdict v;
  v.healthy = true;
  EXPECT_TRUE(judge({}, v).passes);
  v.healthy = false;
  v.undetermined = true;
  EXPECT_FALSE(judge({}, v).passes);
  FailurePolicy lenient;
  lenient.others = "accept";
  EXPECT_TRUE(judge(lenient, v).passes);
}

}  // namespace
}  // namespace safelight
