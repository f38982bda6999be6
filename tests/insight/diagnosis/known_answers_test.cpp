// Every stage of a run that answers otherwise than at calibration is found, named and blamed on the right subsystem.
#include <gtest/gtest.h>

#include "common/base/error.h"
#include "insight/diagnosis/detector.h"
#include "insight/diagnosis/diagnose.h"
#include "tests/insight/diagnosis/small_run.h"

namespace safelight {
namespace {

// A model that gives prepared runs: one with cross-attention, one without.
class Prepared final : public Experiment {
 public:
  Prepared(const SmallRun& now, const SmallRun& off) : now_(write_small_run(now)), off_(write_small_run(off)) {}
  Outcome rerun(const TraceReader&, const Interventions&) override { throw Error(ErrorCode::internal, "nothing is to be rerun here"); }
  Outcome ask(const TraceReader&, const GenerateRequest& request, const Interventions& change) override {
    EXPECT_EQ(request.probes, "full");
    ++asked;
    return {change.attention.empty() ? now_ : off_, 1.0};
  }
  int asked = 0;

 private:
  std::filesystem::path now_, off_;
};

SmallRun without_attention() {
  SmallRun run;
  run.logit_std = 0;
  return run;
}

struct Said {
  AnswerCheck check;
  std::vector<Finding> findings;
};

// What is said of a model that now runs like `now`, and like `off` when its cross-attention is switched off.
Said ask(const SmallRun& now, const SmallRun& off = without_attention()) {
  const TraceReader usual(write_small_run({})), usual_off(write_small_run(without_attention()));
  const KnownAnswer recorded = known_answer({.prompt = "red ring", .seed = 3}, usual, &usual_off);
  const KnownAnswer known = known_answer_from_json(Json::parse(to_json(recorded).dump()));  // as it comes back from baseline.json
  Prepared model(now, off);
  Said said{ask_known_answers(usual, {known}, model), {}};
  for (const DetectorEntry& d : detector_table())
    if (d.name == "known-answers") said.findings = d.detect({usual, nullptr, &said.check});
  return said;
}

void expect_blame(const Said& said, const char* subsystem, const char* cause, int step) {
  ASSERT_EQ(said.findings.size(), 1u);
  EXPECT_EQ(said.findings[0].subsystem, subsystem);
  EXPECT_EQ(said.findings[0].cause, cause);
  EXPECT_EQ(said.findings[0].first_step, step);
  EXPECT_FALSE(cause_info(said.findings[0].cause).remedy[0] == '\0') << cause << " has no row in the table of causes";
}

TEST(KnownAnswers, AModelThatAnswersAsBeforeIsCleared) {
  const Said said = ask({});
  EXPECT_TRUE(said.check.asked);
  EXPECT_FALSE(said.check.parted);
  EXPECT_TRUE(said.findings.empty());
}

TEST(KnownAnswers, RoundingIsNoDifference) {
  SmallRun now;
  for (float& v : now.with) v *= 1.001f;
  now.block_rms[1] *= 0.999;
  EXPECT_FALSE(ask(now).check.parted);
}

TEST(KnownAnswers, TokensThenTextThenSchedule) {
  SmallRun now;
  now.timesteps = {900, 500, 200, 0};
  expect_blame(ask(now), "scheduler", "schedule-changed", 1);
  now.text[3] = 3;
  expect_blame(ask(now), "text-encoder", "text-changed", -1);
  now.ids[2] = 9;
  expect_blame(ask(now), "prompt", "tokens-changed", -1);
}

TEST(KnownAnswers, ABlockThatAlsoDiffersWithoutAttentionIsTheDenoisers) {
  SmallRun now, off = without_attention();
  now.block_rms[1] = off.block_rms[1] = 4;
  now.from_step = 2;
  const Said said = ask(now, off);
  expect_blame(said, "denoiser", "activation-band", 2);
  EXPECT_EQ(said.findings[0].module, "unet.up");
}

TEST(KnownAnswers, ABlockThatDiffersOnlyThroughAttentionIsAttentions) {
  SmallRun now;
  now.block_rms[0] = 1.9;
  now.from_step = 1;
  expect_blame(ask(now), "cross-attention", "attention-rerouted", 1);
  now.logit_std = 0.3;
  expect_blame(ask(now), "cross-attention", "attention-flat", 1);
  now.logit_std = 4;
  expect_blame(ask(now), "cross-attention", "attention-sharp", 1);
}

TEST(KnownAnswers, GuidanceIsKnownByItsDelta) {
  SmallRun now;
  const SmallRun usual;
  const auto led = [&](float factor) {
    for (std::size_t i = 0; i < now.with.size(); ++i) now.with[i] = usual.without[i] + factor * (usual.with[i] - usual.without[i]);
  };
  led(3);
  now.from_step = 1;
  expect_blame(ask(now), "guidance", "guidance-burn", 1);
  led(-0.5);
  expect_blame(ask(now), "guidance", "guidance-inverted", 1);
  led(0);
  expect_blame(ask(now), "guidance", "guidance-lost", 1);
  now.with = usual.without;
  now.without = usual.with;
  expect_blame(ask(now), "guidance", "guidance-swapped", 1);
}

TEST(KnownAnswers, AnOutputThatShrinksOnBothSidesIsNotGuidances) {
  SmallRun now;
  for (float& v : now.with) v *= 0.9f;
  for (float& v : now.without) v *= 0.9f;
  expect_blame(ask(now), "denoiser", "output-changed", 0);
}

TEST(KnownAnswers, OneMovedChannelIsNamed) {
  SmallRun now;
  now.with[3] += 1;
  now.without[3] += 1;
  now.channels = {0.1, 0.7};
  const Said said = ask(now);
  expect_blame(said, "denoiser", "channel-drift", 0);
  EXPECT_EQ(said.findings[0].module, "latent channel 1");
}

TEST(KnownAnswers, SolverDecoderAndWhatComesAfter) {
  SmallRun now;
  now.pixels[0] = 0.9f;
  expect_blame(ask(now), "postprocess", "pixels-changed", -1);
  now.latent[0] = 3;
  expect_blame(ask(now), "decoder", "latent-handoff", -1);
  now.left[1] = 1;
  now.from_step = 3;
  expect_blame(ask(now), "scheduler", "solver-changed", 3);
}

TEST(KnownAnswers, ADifferenceIsFollowedBackToWhereItBegan) {
  SmallRun now;
  now.left[2] += 0.01f;   // the solver strays a little from the first step on
  EXPECT_FALSE(ask(now).check.parted) << "alone, that is within tolerance";
  now.pixels[0] = 0.9f;   // and in the end the picture shows it
  expect_blame(ask(now), "scheduler", "solver-changed", 0);
}

TEST(KnownAnswers, NothingIsAskedWithoutAnswers) {
  const TraceReader usual(write_small_run({}));
  Prepared model({}, {});
  EXPECT_FALSE(ask_known_answers(usual, {}, model).asked);
  EXPECT_EQ(model.asked, 0);
}

TEST(KnownAnswers, AnUnknownStageIsRefused) {
  const TraceReader usual(write_small_run({}));
  Json json = to_json(known_answer({.prompt = "red ring"}, usual, nullptr));
  json["with_attention"][0][0] = "astrology";
  EXPECT_THROW(known_answer_from_json(json), std::invalid_argument);
}

TEST(KnownAnswers, PromptsAreChosenForTheirWords) {
  EXPECT_EQ(covering_prompts({"a ring", "a red ring", "a cross", "a red ring"}, 4), (std::vector<std::string>{"a red ring", "a cross"}));
  EXPECT_TRUE(covering_prompts({}, 3).empty());
}

std::vector<Finding> found_in(const SmallRun& run) { return detect_all({TraceReader(write_small_run(run)), nullptr, nullptr}); }

TEST(Handoffs, AHealthyRunHasNone) { EXPECT_TRUE(found_in({}).empty()); }

TEST(Handoffs, TokensThatThePromptDoesNotHave) {
  SmallRun run;
  run.ids[1] = 5;
  ASSERT_EQ(found_in(run).size(), 1u);
  EXPECT_EQ(found_in(run)[0].cause, "tokens-changed");
  run = {};
  run.ids[5] = 3;  // padding
  EXPECT_EQ(found_in(run).size(), 1u);
}

TEST(Handoffs, ANetworkThatIsToldAnotherTimestep) {
  SmallRun run;
  run.misled = -40;
  run.from_step = 2;
  const auto found = found_in(run);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].subsystem, "scheduler");
  EXPECT_EQ(found[0].first_step, 2);
}

TEST(Handoffs, LatentsAndPixels) {
  SmallRun run;
  run.decoder = {{"latent_moved", 0.4}, {"latent_gain", 1.4}, {"latent_shift", 0.0}, {"latent_rest", 1e-7}};
  EXPECT_EQ(found_in(run)[0].subsystem, "configuration");
  run.decoder["latent_rest"] = 0.3;
  EXPECT_EQ(found_in(run)[0].subsystem, "decoder");
  run.decoder = {{"pixels_moved", 0.1}};
  EXPECT_EQ(found_in(run)[0].subsystem, "postprocess");
}

}  // namespace
}  // namespace safelight
