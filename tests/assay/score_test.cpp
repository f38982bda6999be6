// Scores of lines whose counts can be done by hand.
#include "assay/score.h"

#include <gtest/gtest.h>

#include "assay/confusion.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "tests/assay/small_engine.h"

namespace safelight {
namespace {

AssayRecord faulty(const std::string& subsystem, const std::string& said, double confidence = 1) {
  AssayRecord r{.id = "f", .fault = "attention-flattened", .subsystem = subsystem, .trigger = subsystem, .stage = "base", .pixel_change = 10};
  r.proven = {.said = said, .ranking = {said}, .trigger = said, .stage = "base", .confidence = confidence};
  return r;
}

AssayRecord clean(const std::string& said, double confidence = 1) {
  AssayRecord r{.id = "c", .clean_kind = "plain", .pixel_change = 0};
  r.proven = {.said = said, .confidence = confidence};
  return r;
}

TEST(Rate, WilsonsIntervalIsThatOfThePaper) {
  const Rate half{.right = 5, .of = 10};
  EXPECT_NEAR(half.low(), 0.2366, 1e-4);
  EXPECT_NEAR(half.high(), 0.7634, 1e-4);
  const Rate none{.right = 0, .of = 10};
  EXPECT_EQ(none.low(), 0);
  EXPECT_NEAR(none.high(), 0.2775, 1e-4);
  const Rate nothing;
  EXPECT_EQ(nothing.low(), 0);
  EXPECT_EQ(nothing.high(), 1);
}

TEST(Score, CountsSubsystemsAndOthersThatAreAsRight) {
  AssayRecord also = faulty("postprocess", "decoder");
  also.also = {"decoder"};
  AssayRecord second = faulty("denoiser", "guidance");
  second.proven.ranking = {"guidance", "denoiser"};
  const Scores s = score({faulty("denoiser", "denoiser"), also, second, faulty("prompt", kHealthy), faulty("prompt", kUndetermined)}, &AssayRecord::proven);
  EXPECT_EQ(s.top1.right, 2);
  EXPECT_EQ(s.top2.right, 3);
  EXPECT_EQ(s.top1.of, 5);
  EXPECT_EQ(s.trigger.right, 1);
  EXPECT_EQ(s.stage.right, 3);  // a verdict that names nothing names no stage
  EXPECT_EQ(s.false_alarms.of, 0);
}

TEST(Score, StepsAndModulesCountOnlyWhereThereIsOne) {
  AssayRecord near = faulty("denoiser", "denoiser"), far = near, none = near;
  near.step = 5, near.proven.step = 6, near.module = "mid_block", near.proven.module = "unet.mid_block.resnets.0";
  far.step = 5, far.proven.step = 7, far.module = "mid_block", far.proven.module = "up_blocks.0";
  const Scores s = score({near, far, none}, &AssayRecord::proven);
  EXPECT_EQ(s.step.right, 1);
  EXPECT_EQ(s.step.of, 2);
  EXPECT_EQ(s.module.right, 1);
  EXPECT_EQ(s.module.of, 2);
}

TEST(Score, FalseAlarmsAndCalibration) {
  const Scores s = score({clean(kHealthy, 0.95), clean("denoiser", 0.95), faulty("denoiser", "denoiser", 0.55), faulty("denoiser", "decoder", 0.55)}, &AssayRecord::proven);
  EXPECT_EQ(s.false_alarms.right, 1);
  EXPECT_EQ(s.false_alarms.of, 2);
  EXPECT_NEAR(s.calibration_error, (std::abs(1.9 - 1) + std::abs(1.1 - 1)) / 4, 1e-12);
}

TEST(Score, SimpleStrategies) {
  std::vector<AssayRecord> records = {faulty("denoiser", ""), faulty("denoiser", ""), faulty("decoder", ""), clean("")};
  records[2].added_after_freeze = true;
  records[0].fixed_thresholds = "denoiser";
  records[2].blind_swapping = "decoder";
  records[3].fixed_thresholds = kHealthy;
  records[3].blind_swapping = "guidance";
  const StrategyScores s = score_strategies(records);
  EXPECT_EQ(s.most_common.right, 2);
  EXPECT_EQ(s.fixed_thresholds.right, 1);
  EXPECT_EQ(s.fixed_false_alarms.right, 0);
  EXPECT_EQ(s.blind_swapping.right, 1);
  EXPECT_EQ(s.blind_false_alarms.right, 1);
}

TEST(Score, TheReportPutsTheHeldOutFirstAndCountsRight) {
  std::vector<AssayRecord> records = {faulty("cross-attention", "cross-attention"), faulty("cross-attention", "guidance"), clean(kHealthy)};
  records[1].added_after_freeze = true;
  const Json report = score_report(records);
  EXPECT_EQ(report["held_out"]["with_counterfactuals"]["subsystem_top1"]["of"], 1);
  EXPECT_EQ(report["held_out"]["with_counterfactuals"]["subsystem_top1"]["right"], 0);
  EXPECT_EQ(report["all"]["with_counterfactuals"]["subsystem_top1"]["right"], 1);
  EXPECT_EQ(report["faults"][0]["said"].dump(), R"({"cross-attention":1,"guidance":1})");
  std::vector<std::string> keys;
  for (const auto& [key, value] : report.items()) keys.push_back(key);
  EXPECT_LT(std::find(keys.begin(), keys.end(), "held_out"), std::find(keys.begin(), keys.end(), "all"));
}

TEST(Confusion, HasTheRightAnswersOnItsDiagonal) {
  AssayRecord also = faulty("postprocess", "decoder");
  also.also = {"decoder"};
  const Confusion c = confusion_of({also, faulty("prompt", kUndetermined), clean(kHealthy)}, &AssayRecord::proven);
  EXPECT_EQ(c.truths, (std::vector<std::string>{"healthy", "prompt", "postprocess"}));
  const auto column = [&](const std::string& name) { return static_cast<std::size_t>(std::find(c.answers.begin(), c.answers.end(), name) - c.answers.begin()); };
  EXPECT_EQ(c.counts[0][column("healthy")], 1);
  EXPECT_EQ(c.counts[1][column("undetermined")], 1);
  EXPECT_EQ(c.counts[2][column("postprocess")], 1);
  const std::string svg = svg_of(c, "a < b");
  EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
  EXPECT_EQ(svg.rfind("<svg", 0), 0u);
}

TEST(Record, ComesBackAsItWasWritten) {
  const ScratchDirectory scratch;
  AssayRecord record = faulty("denoiser", "denoiser", 0.5);
  record.prompt = "a \"quoted\" word\n";
  record.causes = {"channel-drift"};
  const std::string line = to_json(record).dump() + "\n";
  write_file_atomic(scratch.path() / "runs.jsonl", line + line.substr(0, 30));
  const auto read = read_records(scratch.path() / "runs.jsonl");
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(to_json(read[0]).dump() + "\n", line);
  write_file_atomic(scratch.path() / "runs.jsonl", "{\"id\": 3}\n");
  EXPECT_THROW(read_records(scratch.path() / "runs.jsonl"), Error);
}

}  // namespace
}  // namespace safelight
