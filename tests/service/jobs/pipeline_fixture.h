// Pipelines over a scripted provider: pictures that depend on the request alone, and counts of what was asked.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "common/base/sha256.h"
#include "common/formats/png.h"
#include "service/jobs/run_pipeline.h"

namespace safelight {

class NoTransport final : public Transport {
 public:
  HttpReply send(const HttpRequest&) override { return {.error = TransportError::connect, .message = "no network in this test"}; }
};

inline constexpr const char* kPainters = R"(
[models.painter]
protocol = "local"
wire_model = "painter"
free = true
typical_latency_ms = 50
can = { sizes = ["16x16"], seed = true, steps = true, init = true, strength = true, text = "good" }
[models.dear]
protocol = "local"
wire_model = "dear"
typical_latency_ms = 50
can = { sizes = ["16x16"], seed = true, init = true, text = "good" }
prices = [{ usd = 0.04 }]
)";

inline Image painting(const std::string& what) {
  Image out{.width = 16, .height = 16, .channels = 3, .pixels = {}};
  const std::string hash = sha256_hex(what);
  for (std::size_t i = 0; i < 16 * 16 * 3; ++i) out.pixels.push_back(static_cast<std::uint8_t>(hash[i % hash.size()] * 3 + i / 48));
  return out;
}

class Pipelines : public testing::Test {
 protected:
  Pipelines() {
    char pattern[] = "/tmp/safelight-jobs-XXXXXX";
    folder_ = mkdtemp(pattern);
    catalogue_ = std::make_unique<Catalogue>();
    catalogue_->overlay(kPainters, "test");
    open();
  }
  ~Pipelines() override { std::filesystem::remove_all(folder_); }

  // As after a restart of the process.
  void open() {
    ledger_ = std::make_unique<SqliteLedger>(folder_ / "ledger.sqlite");
    store_ = std::make_unique<JobStore>(folder_ / "pipelines.sqlite");
  }

  std::string add(const std::string& toml, const std::string& slo = "", bool fresh = false) {
    RunRecord run{.id = "run-" + std::to_string(++runs_), .created_unix_ms = runs_, .source = {"test.toml", toml, slo}, .catalogue = {}, .folder = (folder_ / "out").string(), .fresh = fresh, .stages = {}, .approvals = {}};
    store_->add(run);
    return run.id;
  }

  std::string go(const std::string& id, bool repeat_paid = false) {
    const Pipeline pipeline = parse_pipeline(store_->run(id).source);
    Router router(*catalogue_, {.explore = 0});
    router.declare(pipeline.slo);
    ObjectStore objects(folder_ / "objects");
    NoTransport transport;
    SystemClock clock;
    RetryPolicy retry;
    retry.base_ms = 1, retry.cap_ms = 2;
    JobServices services{.catalogue = *catalogue_, .router = router, .ledger = *ledger_, .store = *store_, .objects = objects, .transport = transport, .clock = clock,
                         .credentials = {}, .retry = retry, .injected = {provider()}, .judge = judge_, .folder = store_->run(id).folder, .cancel = cancel_, .repeat_paid = repeat_paid};
    return run_pipeline(id, services, [&](const StageProgress& p) { told_.push_back(p.stage + ":" + std::string(name(p.state)) + (p.reused ? ":reused" : "")); });
  }

  ProviderEntry provider() {
    return {.name = "local", .summary = "a test", .dialects = {}, .call = [this](const ProviderCall& call) {
      ++calls_[call.row.id];
      if (on_call_) on_call_(call);
      CallOutcome out;
      if (auto failure = fail_(call)) return out.failure = failure, out;
      const std::string what = call.row.id + call.request.prompt + std::to_string(call.request.seed.value_or(0)) + sha256_hex(call.request.init);
      out.images.push_back({.bytes = encode_png(painting(what), {}), .seed = call.request.seed});
      return out;
    }};
  }

  StageRecord stage(const std::string& run, const std::string& name) const {
    for (const StageRecord& s : store_->run(run).stages)
      if (s.stage == name) return s;
    ADD_FAILURE() << "no stage " << name;
    return {};
  }

  Approval decision(const std::string& run) const {
    const RunRecord record = store_->run(run);
    const Question q = open_question(record, parse_pipeline(record.source));
    return {.stage = q.stage, .shown = q.shown, .approved = true, .picked = {}, .reason = {}, .prompt = {}, .at_unix_ms = 1};
  }

  std::filesystem::path folder_;
  std::unique_ptr<Catalogue> catalogue_;
  std::unique_ptr<SqliteLedger> ledger_;
  std::unique_ptr<JobStore> store_;
  std::map<std::string, int> calls_;
  std::function<void(const ProviderCall&)> on_call_;
  std::function<std::optional<ProviderFailure>(const ProviderCall&)> fail_ = [](const ProviderCall&) { return std::nullopt; };
  std::function<Verdict(const std::string&, const std::string&)> judge_;
  const std::atomic<bool>* cancel_ = nullptr;
  std::vector<std::string> told_;
  int runs_ = 0;
};

}  // namespace safelight
