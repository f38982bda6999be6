// A picture that a person says does not show what was asked for: the change that makes the words explain it best names the subsystem.
#include "insight/diagnosis/unlike_prompt.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/insight/diagnosis/small_run.h"

namespace safelight {
namespace {

Json resolved() { return {{"prompt", "red ring"}, {"negative", ""}, {"dtype", "float32"}, {"steps", 20}, {"guidance", 4.0}, {"solver", "dpmpp-2m"}, {"seed", 3}}; }

// A model whose reading of a picture depends on what was changed to make it.
class Reader final : public Experiment {
 public:
  std::function<double(const Interventions&)> help = [](const Interventions&) { return 0.2; };
  bool can_read = true;
  int reruns = 0, shams = 0;

  Outcome rerun(const TraceReader&, const Interventions& change) override {
    ++reruns;
    shams += change.sham.has_value();
    SmallRun run;
    run.resolved = resolved();
    Outcome out{write_small_run(run), 2.0};
    made_[out.run] = change;
    return out;
  }
  Outcome ask(const TraceReader& base, const GenerateRequest&, const Interventions& change) override { return rerun(base, change); }
  std::optional<Reading> read(const TraceReader& run) override {
    if (!can_read) return {};
    const auto made = made_.find(run.directory());
    Reading r;
    r.words = {{.word = "red", .token = 1, .tokens = 1, .help = 0.1}, {.word = "ring", .token = 2, .tokens = 1, .help = made == made_.end() ? 0.2 : help(made->second)}};
    return r;
  }

 private:
  std::map<std::filesystem::path, Interventions> made_;
};

Verdict explained(Reader& reader, int counterfactuals = 25) {
  SmallRun run;
  run.resolved = resolved();
  Verdict v;
  explain_unlike_prompt(TraceReader(write_small_run(run)), reader, {.counterfactuals = counterfactuals}, {}, v);
  return v;
}

TEST(UnlikePrompt, NamesTheSubsystemWhoseChangeHelpsMost) {
  Reader reader;
  reader.help = [](const Interventions& i) { return i.guidance && *i.guidance > 4 ? 0.9 : i.steps ? 0.4 : 0.2; };
  const Verdict v = explained(reader);
  EXPECT_FALSE(v.healthy);
  EXPECT_FALSE(v.undetermined);
  EXPECT_EQ(v.subsystem, "guidance");
  EXPECT_EQ(v.cause, "guidance-weak");
  EXPECT_EQ(v.ranking[0].subsystem, "guidance");
  EXPECT_EQ(v.ranking[1].subsystem, "scheduler");
  EXPECT_EQ(reader.shams, 2);   // beside changes of that size without a theory
  EXPECT_NE(v.sentence.find("guidance 6"), std::string::npos) << v.sentence;
}

TEST(UnlikePrompt, WhatHelpsNothingIsUndetermined) {
  Reader reader;
  reader.help = [](const Interventions&) { return 0.1; };
  const Verdict v = explained(reader);
  EXPECT_TRUE(v.undetermined);
  EXPECT_TRUE(v.subsystem.empty());
  EXPECT_EQ(reader.shams, 0);
}

TEST(UnlikePrompt, OneSeedIsNoProof) {
  Reader reader;
  reader.help = [](const Interventions& i) { return i.guidance ? 0.9 : 0.2; };
  const Verdict v = explained(reader);
  for (const Counterfactual& c : v.counterfactuals) EXPECT_FALSE(c.cures);
  EXPECT_LT(v.confidence, 1);
}

TEST(UnlikePrompt, KeepsToTheBudget) {
  Reader reader;
  const Verdict v = explained(reader, 6);
  EXPECT_LE(reader.reruns, 5);   // the sixth is the latent-difference check's
  EXPECT_TRUE(std::any_of(v.notes.begin(), v.notes.end(), [](const std::string& n) { return n.find("budget") != std::string::npos; }));
}

TEST(UnlikePrompt, AModelThatCannotBeAskedIsSaidToBe) {
  Reader reader;
  reader.can_read = false;
  const Verdict v = explained(reader);
  EXPECT_TRUE(v.undetermined);
  EXPECT_EQ(reader.reruns, 0);
  EXPECT_NE(v.sentence.find("cannot be asked"), std::string::npos);
}

TEST(SingleTreatments, LeaveEverythingElseAsItWas) {
  SmallRun run;
  run.resolved = resolved();
  Interventions own;
  own.seed = 5;
  const auto treatments = single_treatments(TraceReader(write_small_run(run)), own);
  ASSERT_FALSE(treatments.empty());
  for (const Treatment& t : treatments) {
    EXPECT_EQ(t.change.seed, own.seed) << t.name;
    EXPECT_FALSE(cause_info(t.cause).cause == std::string()) << t.cause;
    const int changed = t.change.guidance.has_value() + t.change.steps.has_value() + t.change.scheduler.has_value() + !t.change.attention.empty() + !t.change.tokens.empty() + t.change.decoder.has_value();
    EXPECT_EQ(changed, 1) << t.name;
  }
}

}  // namespace
}  // namespace safelight
