#include "insight/sweeps/sweep.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/trace/trace_file.h"
#include "insight/sweeps/sweep_report.h"

namespace safelight {
namespace {

TEST(Intervals, WilsonAgreesWithThePublishedFormula) {
  const Interval none = wilson(0, 10), half = wilson(5, 10);
  EXPECT_NEAR(none.low, 0, 1e-12);
  EXPECT_NEAR(none.high, 0.27753, 1e-5);
  EXPECT_NEAR(half.low, 0.23659, 1e-5);
  EXPECT_NEAR(half.high, 0.76341, 1e-5);
  EXPECT_TRUE(std::isnan(wilson(0, 0).value));
}

TEST(Intervals, CellsThatOnlyRepeatTheirSeedAddNothing) {
  const Groups single = {{1}, {0}, {1}, {0}}, repeated = {{1, 1, 1}, {0, 0, 0}, {1, 1, 1}, {0, 0, 0}};
  EXPECT_NEAR(grouped_share(repeated).low, grouped_share(single).low, 1e-9);
  EXPECT_NEAR(bootstrap_mean(repeated).low, bootstrap_mean(single).low, 1e-9);
}

TEST(Intervals, OneSeedHasNoInterval) {
  EXPECT_EQ(bootstrap_mean({{0.5, 0.7}}).value, 0.6);
  EXPECT_TRUE(std::isnan(bootstrap_mean({{0.5, 0.7}}).low));
}

// A closed world of cells: guidance above 10 burns, more steps take longer, scheduler "broken" does not run.
class FakeRunner final : public CellRunner {
 public:
  int stop_after = -1, ran = 0, wrong_steps_at = -1, condemned_steps = -1;
  std::string weights = "aa";

  OperatingPoint settle(const GenerateRequest&, const OperatingPoint& asked) override {
    OperatingPoint p = asked;
    if (p.scheduler == "nonsense") throw Error(ErrorCode::invalid_argument, "scheduler 'nonsense' is unknown; known: euler");
    if (p.model.empty()) p.model = "toy";
    if (p.scheduler.empty()) p.scheduler = "euler";
    if (p.steps == 0) p.steps = 20;
    if (std::isnan(p.guidance)) p.guidance = 4;
    p.directory = "/models/" + p.model;
    return p;
  }

  Outcome run(const GenerateRequest&, const OperatingPoint& p, std::uint64_t seed, const std::filesystem::path& directory) override {
    if (ran == stop_after) {
      std::filesystem::create_directories(directory);
      std::ofstream(directory / "run.json") << "{\"half";   // a killed attempt
      throw Error(ErrorCode::cancelled, "stopped");
    }
    if (p.scheduler == "broken") throw Error(ErrorCode::conflict, "this scheduler does not go with the model");
    TraceFile trace(directory, {{"format", "safelight-trace/1"}, {"request", {{"vae", ""}}}, {"interventions", {{"decoder", nullptr}}},
                                {"weights", {{{"component", "unet"}, {"sha256", weights}}}}}, nullptr);
    const int steps = ran++ == wrong_steps_at ? p.steps - 1 : p.steps;
    trace.run()["resolved"] = {{"directory", p.directory}, {"solver", p.scheduler}, {"guidance", p.guidance}, {"seed", seed}};
    trace.run()["total_ms"] = 10.0 * steps + 30 + ran % 3;   // the clock differs from call to call
    trace.run()["stages"] = {{{"name", "denoise"}, {"ms", 10.0 * steps}}};
    trace.start_steps({});
    for (int i = 0; i < steps; ++i) trace.end_step(i, {1, 0, 0});
    trace.finish("finished");
    Outcome out{.verdict = {}, .adherence = 1.0, .evaluations = steps};
    const bool burnt = p.guidance > 10;
    out.verdict.healthy = !burnt && p.steps != condemned_steps;   // a verdict may condemn what the artifact score lets pass
    out.verdict.scores = {{"overall", burnt ? 0.8 : 0.01}};
    if (burnt) {
      out.verdict.subsystem = "guidance";
      out.verdict.cause = "guidance-burn";
      out.verdict.findings = {{.detector = "d", .subsystem = "guidance", .cause = "guidance-burn", .severity = 2}};
    }
    return out;
  }
};

Json without_times(const Json& json) {
  if (json.is_array()) {
    Json out = Json::array();
    for (const Json& one : json) out.push_back(without_times(one));
    return out;
  }
  if (!json.is_object()) return json;
  Json out = Json::object();
  for (const auto& [key, value] : json.items())
    if (key.rfind("time_", 0) != 0) out[key] = without_times(value);
  return out;
}

class SweepTest : public testing::Test {
 protected:
  SweepTest() : directory_(std::filesystem::temp_directory_path() / ("safelight-sweep-" + std::to_string(::getpid()))) { std::filesystem::remove_all(directory_); }
  ~SweepTest() override { std::filesystem::remove_all(directory_); }

  static SweepSpec spec(std::vector<std::string> schedulers = {"euler", "heun"}) {
    return sweep_spec_from_json({{"request", {{"prompt", "a circle"}}}, {"schedulers", schedulers}, {"steps", {5, 10}}, {"guidance", {4, 10, 15}}, {"seeds", {1u, 2u, 3u, 4u}}});
  }
  std::filesystem::path directory_;
};

TEST_F(SweepTest, AFaultAboveAThresholdIsTheDominantVectorAndConfinedThere) {
  FakeRunner runner;
  const Json report = run_sweep(spec(), directory_, runner, {});
  ASSERT_EQ(report["failures"].size(), 1u);
  const Json& f = report["failures"][0];
  EXPECT_EQ(f["cause"], "guidance-burn");
  EXPECT_NEAR(f["prevalence"]["value"].get<double>(), 1.0 / 3, 1e-9);
  EXPECT_NEAR(f["severity"]["value"].get<double>(), 1 - std::exp(-2.0), 1e-9);
  EXPECT_EQ(f["separated"]["where"], "guidance > 10");
  EXPECT_TRUE(f["separated"]["confined"].get<bool>());
}

TEST_F(SweepTest, FastAndFaithfulAreTheCheapestOfTheGoodOnes) {
  FakeRunner runner;
  const Json report = run_sweep(spec(), directory_, runner, {});
  EXPECT_EQ(report["recommended"]["faithful"], "toy, euler, 5 steps, guidance 4");
  EXPECT_EQ(report["recommended"]["fast"], report["recommended"]["faithful"]);
  int front = 0;
  for (const Json& p : report["points"]) front += p["pareto"].get<bool>();
  EXPECT_EQ(front, 1);
}

TEST_F(SweepTest, WhatTheVerdictsCallBrokenIsNotRecommended) {
  FakeRunner runner;
  runner.condemned_steps = 5;
  const Json report = run_sweep(spec(), directory_, runner, {});
  EXPECT_EQ(report["recommended"]["faithful"], "toy, euler, 10 steps, guidance 4");
  EXPECT_EQ(report["recommended"]["fast"], "toy, euler, 10 steps, guidance 4");
}

TEST_F(SweepTest, StoppedAnywhereAndCutOffItGivesTheSameReport) {
  FakeRunner whole;
  const Json expected = run_sweep(spec(), directory_ / "whole", whole, {});
  int ran = 0;
  for (const int stop : {0, 3, 11}) {
    FakeRunner killed;
    killed.stop_after = stop;
    EXPECT_THROW(run_sweep(spec(), directory_ / "parts", killed, {}), Error);
    ran += killed.ran;
    std::ofstream(directory_ / "parts" / "cells.jsonl", std::ios::app) << "{\"cell\": 7, \"run";   // a line that was being written
  }
  FakeRunner last;
  const Json report = run_sweep(spec(), directory_ / "parts", last, {});
  EXPECT_EQ(ran + last.ran, whole.ran);
  EXPECT_EQ(without_times(report).dump(), without_times(expected).dump());
}

TEST_F(SweepTest, ACellThatFailsIsToldAndDoesNotLoseTheSweep) {
  FakeRunner runner;
  int told = 0;
  const Json report = run_sweep(spec({"euler", "broken"}), directory_, runner, {.progress = {}, .complain = [&](const std::string&) { ++told; }});
  EXPECT_EQ(told, 24);
  EXPECT_EQ(report["cells"].size(), 48u);
  EXPECT_EQ(report["failures"][0]["subsystem"], "configuration");
  EXPECT_EQ(report["failures"][0]["separated"]["where"], "scheduler = broken");
}

TEST_F(SweepTest, ARunThatDidSomethingElseFails) {
  FakeRunner runner;
  runner.wrong_steps_at = 2;
  std::string told;
  run_sweep(spec(), directory_, runner, {.progress = {}, .complain = [&](const std::string& what) { told += what; }});
  EXPECT_NE(told.find("steps 4 instead of 5"), std::string::npos) << told;
}

TEST_F(SweepTest, WeightsThatChangeMidwayFailTheCells) {
  FakeRunner first;
  first.stop_after = 5;
  EXPECT_THROW(run_sweep(spec(), directory_, first, {}), Error);
  FakeRunner second;
  second.weights = "bb";
  std::string told;
  run_sweep(spec(), directory_, second, {.progress = {}, .complain = [&](const std::string& what) { told += what; }});
  EXPECT_NE(told.find("changed during the sweep"), std::string::npos);
}

TEST_F(SweepTest, RefusesWhatItCannotMean) {
  FakeRunner runner;
  EXPECT_THROW(run_sweep(spec({"nonsense"}), directory_, runner, {}), Error);
  EXPECT_FALSE(std::filesystem::exists(directory_));
  EXPECT_THROW(sweep_spec_from_json({{"stepps", {5}}}), Error);
  EXPECT_THROW(sweep_spec_from_json({{"steps", {5, 5}}}), Error);
  EXPECT_THROW(sweep_spec_from_json({{"steps", {0}}}), Error);
  EXPECT_THROW(sweep_spec_from_json({{"request", {{"steps", 5}}}}), Error);
  run_sweep(spec(), directory_, runner, {});
  EXPECT_THROW(run_sweep(spec({"euler"}), directory_, runner, {}), Error);   // another sweep lies there
  std::ofstream(directory_ / "cells.jsonl", std::ios::app) << "{}\n" << "nonsense\n";
  EXPECT_THROW(run_sweep(spec(), directory_, runner, {}), Error);
}

TEST_F(SweepTest, TwoProcessesDoNotWorkOnOneSweep) {
  const SweepStore held(directory_, to_json(spec()));
  EXPECT_THROW(SweepStore(directory_, to_json(spec())), Error);
}

}  // namespace
}  // namespace safelight
