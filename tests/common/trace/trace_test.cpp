#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <fstream>

#include "common/base/error.h"
#include "common/trace/half.h"
#include "common/trace/trace_file.h"

namespace safelight {
namespace {

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (std::uint32_t h = 0; h < 65536; ++h) {
    const float value = from_half(static_cast<std::uint16_t>(h));
    if (std::isnan(value)) EXPECT_TRUE(std::isnan(from_half(to_half(value))));
    else EXPECT_EQ(to_half(value), h);
  }
  EXPECT_EQ(to_half(65520.0f), 0x7C00);  // rounds to infinity
}

class Trace : public testing::Test {
 protected:
  Trace() : directory_(std::filesystem::temp_directory_path() / ("safelight-trace-" + std::to_string(::getpid()))) { std::filesystem::remove_all(directory_); }
  ~Trace() override { std::filesystem::remove_all(directory_); }

  void write_steps(int steps, bool finish) const {
    TraceFile trace(directory_, {{"format", "safelight-trace/1"}, {"id", "t"}}, nullptr);
    trace.declare({"snr", "dB", {2}, "snr", "ratio", {"a", "b"}});
    trace.declare_map({"map", 10, {2, 2}, {}, "a map"});
    trace.start_steps({.tensors = {{"latent", {1, 2}}}, .rows = 10});
    for (int i = 0; i < steps; ++i) {
      const double values[2] = {static_cast<double>(i), std::nan("")};
      const float map[4] = {0, 1, 2, static_cast<float>(i)};
      trace.series("snr", values);
      trace.map("map", i, map);
      trace.store_restart({.steps_done = i + 1, .tensors = {{"latent", {{1, 2}, {1.0f, static_cast<float>(i)}}}}, .scalars = {1.5}, .draws = 3});
      trace.end_step(i, {0.5, 0.25, 100.0 - i});
    }
    if (finish) trace.finish("finished");
    else std::raise(SIGKILL);
  }
  std::filesystem::path directory_;
};

TEST_F(Trace, ReadsBackWhatWasWritten) {
  write_steps(3, true);
  const TraceReader r(directory_);
  EXPECT_EQ(r.steps_done(), 3);
  EXPECT_EQ(r.values("snr")[2][0], 2.0);
  EXPECT_TRUE(std::isnan(r.values("snr")[2][1]));
  EXPECT_EQ(r.map_row("map", 2), (std::vector<float>{0, 1, 2, 2}));
  EXPECT_EQ(r.restart_steps(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(r.restart(2).tensors.at("latent").values, (std::vector<float>{1, 1}));
  EXPECT_EQ(r.restart(2).draws, 3);
  EXPECT_THROW(r.restart(7), Error);
  EXPECT_THROW(r.values("none"), Error);
  EXPECT_THROW(TraceFile(directory_, {}, nullptr), Error);  // it holds a run
}

TEST_F(Trace, AKilledProcessLeavesItsFinishedSteps) {
  const pid_t child = ::fork();
  if (child == 0) write_steps(4, false);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const TraceReader r(directory_);
  EXPECT_EQ(r.run()["status"], "running");
  EXPECT_EQ(r.steps_done(), 4);
  EXPECT_EQ(r.map_row("map", 3).back(), 3.0f);
}

TEST_F(Trace, IgnoresALineThatWasCutOff) {
  write_steps(2, true);
  std::ofstream(directory_ / "steps.jsonl", std::ios::app) << R"({"step":2,"node":{"al)";
  EXPECT_EQ(TraceReader(directory_).steps_done(), 2);
}

TEST_F(Trace, RefusesAHostileRecord) {
  std::filesystem::create_directories(directory_);
  for (const char* text : {"", "[]", "{}", "{\"format\":3}", "{\"format\":\"other/9\"}"}) {
    std::ofstream(directory_ / "run.json") << text;
    EXPECT_THROW(TraceReader{directory_}, Error) << text;
  }
}

}  // namespace
}  // namespace safelight
