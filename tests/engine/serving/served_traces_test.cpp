// Probes of a run that shared its batches record what they record of it alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "engine/probes/table.h"
#include "tests/engine/serving/model.h"

namespace safelight {
namespace {

class ServedTraces : public testing::Test {
 protected:
  ServedTraces() : directory_(std::filesystem::temp_directory_path() / ("safelight-served-traces-" + std::to_string(::getpid()))) { std::filesystem::remove_all(directory_); }
  ~ServedTraces() override { std::filesystem::remove_all(directory_); }

  template <class Serve>
  TraceReader traced(const std::string& name, const GenerateRequest& request, Serve&& serve) {
    TraceFile trace(directory_ / name, record_of(name), {});
    RunOptions options;
    options.probes = make_probes();
    options.trace = &trace;
    serve(request, std::move(options));
    return TraceReader(directory_ / name);
  }
  std::filesystem::path directory_;
};

void expect_same_series(const TraceReader& a, const TraceReader& b) {
  ASSERT_EQ(a.series().size(), b.series().size());
  ASSERT_GT(a.series().size(), 10u);
  for (const SeriesInfo& info : a.series()) {
    const auto &p = a.values(info.name), &q = b.values(info.name);
    ASSERT_EQ(p.size(), q.size()) << info.name;
    double most = 0, size = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      ASSERT_EQ(p[i].size(), q[i].size()) << info.name;
      for (std::size_t k = 0; k < p[i].size(); ++k) {
        ASSERT_EQ(std::isfinite(p[i][k]), std::isfinite(q[i][k])) << info.name << " step " << i;
        if (!std::isfinite(p[i][k])) continue;
        most = std::max(most, std::abs(p[i][k] - q[i][k]));
        size = std::max(size, std::abs(p[i][k]));
      }
    }
    EXPECT_LE(most, 1e-3 * size + 1e-6) << info.name;
  }
  ASSERT_EQ(a.maps().size(), b.maps().size());
  for (const MapInfo& info : a.maps())
    for (int64_t row = 0; row < info.rows; ++row) {
      const auto p = a.map_row(info.name, row), q = b.map_row(info.name, row);
      ASSERT_EQ(p.size(), q.size()) << info.name;
      for (std::size_t k = 0; k < p.size(); ++k) ASSERT_NEAR(p[k], q[k], 2e-3 * (1 + std::abs(p[k]))) << info.name << " row " << row;
    }
}

TEST_F(ServedTraces, HoldTheSameSeriesAsAlone) {
  std::vector<GenerateRequest> requests = mixed_requests();
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].probes = i % 2 == 0 ? "summary" : "full";
  StepBatcher batcher;
  std::vector<std::unique_ptr<TraceReader>> served(requests.size());
  Holder holder(batcher, requests.size());
  at_once(requests.size(), [&](std::size_t i) {
    served[i] = std::make_unique<TraceReader>(traced("served" + std::to_string(i), requests[i], [&](const GenerateRequest& r, RunOptions o) {
      if (i == 0) o = holder.options(std::move(o));
      else holder.wait();
      batcher.run(nano(), r, std::move(o), kFast);
    }));
  });
  EXPECT_GE(batcher.totals().most_calls, 4);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(requests[i].prompt);
    expect_same_series(*served[i], traced("alone" + std::to_string(i), requests[i], [](const GenerateRequest& r, RunOptions o) { run(nano(), r, std::move(o)); }));
  }
}

}  // namespace
}  // namespace safelight
