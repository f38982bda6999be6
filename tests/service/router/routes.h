// A small catalogue, an SLO and a router for the tests of decisions.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "service/router/router.h"

namespace safelight {

inline constexpr const char* kModels = R"(
[models.good]
protocol = "local"
wire_model = "good"
free = true
typical_latency_ms = 3000
can = { sizes = ["512x512"], size_rule = { multiple_px = 64, min_side_px = 64, max_side_px = 1024 }, seed = true, steps = true, text = "weak" }
[models.quick]
protocol = "local"
wire_model = "quick"
free = true
typical_latency_ms = 300
can = { sizes = ["512x512"], size_rule = { multiple_px = 64, min_side_px = 64, max_side_px = 1024 }, seed = true, steps = true, text = "weak" }
[models.letters]
protocol = "local"
wire_model = "letters"
free = true
typical_latency_ms = 3200
can = { sizes = ["512x512"], seed = true, steps = true, text = "good" }
[models.paid]
protocol = "openai.images"
wire_model = "p"
base_url = "https://p.example/v1"
vendor_hosts = ["p.example"]
credential = "KEY"
typical_latency_ms = 5000
can = { sizes = ["512x512"], text = "strong", styles = ["vivid"] }
prices = [{ usd = 0.04 }]
[models.ending]
protocol = "openai.images"
wire_model = "e"
base_url = "https://p.example/v1"
vendor_hosts = ["p.example"]
credential = "KEY"
shutdown_date = "2026-12-01"
successor = "paid"
typical_latency_ms = 4000
can = { sizes = ["512x512"], text = "good" }
prices = [{ usd = 0.02 }]
)";

inline constexpr std::int64_t kNov25_ms = 1'795'564'800'000, kDay_ms = 86'400'000;

inline ProviderFailure failure_of(FailureClass c, Acceptance acceptance = Acceptance::rejected) {
  ProviderFailure f;
  f.failure = c, f.message = "m", f.acceptance = acceptance;
  return f;
}

inline LadderStep rung(const char* name, const char* model = "") {
  LadderStep s;
  s.rung = name, s.model = model;
  return s;
}

inline Served refused() {
  Served s;
  s.outcome = "refused";
  return s;
}

inline RouteStep free_step(const char* row, double quality, double slo_ms, double sure_ms) {
  RouteStep s;
  s.row = s.option = row;
  s.quality = quality, s.slo_ms = slo_ms, s.sure_ms = sure_ms;
  return s;
}

class Routes : public testing::Test {
 protected:
  Routes() : router_(catalogue()) {
    slo_.name = "test";
    slo_.latency = {.percentile = 0.95, .limit_ms = 12000, .deadline_ms = 20000};
    slo_.cost = {.per_image_usd = 0.05, .per_day_usd = 1};
    slo_.quality.floor = 0.8;
    slo_.ladder = {rung("next-provider"), rung("fewer-steps"), rung("distilled-model", "quick")};
    const auto board = [&](const char* id, int single, int text) {
      router_.statistics().measured(id, "single", single, 100);
      router_.statistics().measured(id, "text", text, 100);
    };
    board("good", 95, 60), board("quick", 85, 40), board("letters", 94, 92), board("paid", 99, 98), board("ending", 96, 90);
  }
  static const Catalogue& catalogue() {
    static const Catalogue c = [] {
      Catalogue out;
      out.overlay(kModels, "test");
      return out;
    }();
    return c;
  }
  RouteRequest request(const std::string& prompt = "a red circle", RouteMode mode = RouteMode::faithful) const {
    RouteRequest r{.id = "job-1", .image = {}, .profile = {}, .queue_ms = {}};
    r.image.prompt = prompt;
    r.image.width_px = r.image.height_px = 512;
    r.profile = task_profile(r.image, mode);
    return r;
  }
  RoutePlan plan(const RouteRequest& r, std::int64_t now_ms = 0) {
    return make_plan(r, slo_, {catalogue(), router_.statistics(), router_.health(), router_.spending()}, {now_ms, kNov25_ms + now_ms}, {.explore = 0});
  }
  static std::string reason(const RoutePlan& p, const std::string& row) {
    for (const DroppedRow& d : p.dropped)
      if (d.row == row) return d.code;
    return "";
  }
  static std::vector<std::string> options(const RoutePlan& p) {
    std::vector<std::string> out;
    for (const RouteStep& s : p.steps) out.push_back(s.option);
    return out;
  }
  void fail(const std::string& row, FailureClass c, int times, std::int64_t now_ms = 0) {
    for (int i = 0; i < times; ++i) router_.health().failed(catalogue().row(row), failure_of(c), now_ms);
  }

  Slo slo_;
  Router router_;
};

}  // namespace safelight
