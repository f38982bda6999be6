// What the tests of serving share: signs-nano, and runs of it on threads of their own.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/families/family.h"
#include "engine/pipelines/run.h"
#include "engine/serving/step_batcher.h"

namespace safelight {

// Opened once. One thread: layers of this size gain nothing from a second.
inline const Components& nano() {
  static const Components model = [] {
    at::set_num_threads(1);
    return open_model(std::filesystem::path(SAFELIGHT_SOURCE) / "models" / "signs-nano", {});
  }();
  return model;
}

inline GenerateRequest picture_of(const std::string& prompt, std::uint64_t seed, int steps = 4) {
  GenerateRequest r;
  r.prompt = prompt;
  r.seed = seed;
  r.steps = steps;
  r.probes = "none";
  return r;
}

// Requests that differ in all that a batch may mix: text, seed, step counts, solvers with one and two evaluations a step, guidance and none, count.
inline std::vector<GenerateRequest> mixed_requests() {
  std::vector<GenerateRequest> out = {picture_of("a red circle", 1, 6), picture_of("a blue square left of a green ring", 2, 4), picture_of("a yellow triangle", 3, 5),
                                      picture_of("a pink cross on a black background", 4, 4), picture_of("a large orange diamond", 5, 3)};
  out[1].scheduler.solver = "heun";
  out[2].guidance = 1.0;   // one row a picture
  out[3].count = 2;
  out[4].guidance_form.to = 0.5;   // guidance ends half way
  return out;
}

// Each on a thread of its own; returns once all have ended.
inline void at_once(std::size_t count, const std::function<void(std::size_t)>& task) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([&task, i] { task(i); });
  for (std::thread& t : threads) t.join();
}

inline bool same_bytes(const GenerateResult& a, const GenerateResult& b) {
  if (a.images.size() != b.images.size() || !at::equal(a.latents, b.latents) || !at::equal(a.pixels, b.pixels)) return false;
  for (std::size_t i = 0; i < a.images.size(); ++i)
    if (a.images[i].pixels != b.images[i].pixels) return false;
  return true;
}

inline constexpr ServeOptions kFast{.mode = ServeMode::fast};

inline Json record_of(const std::string& id) { return {{"format", "safelight-trace/1"}, {"id", id}, {"images", Json::array()}}; }

inline void wait_until(const std::function<bool()>& true_now) {
  while (!true_now()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// A run that keeps its turn at its first evaluation until `wanted` runs are here: from then on the order decides, not luck. Others are started once it is
// held, else they might end before.
class Holder {
 public:
  Holder(StepBatcher& batcher, std::size_t wanted) : batcher_(batcher), wanted_(wanted) {}
  RunOptions options(RunOptions options = {}) {
    options.evaluated = [this, then = options.evaluated](const Solver& s) {
      if (!held_.exchange(true)) wait_until([&] { return batcher_.runs() >= wanted_; });
      if (then) then(s);
    };
    return options;
  }
  void wait() const { wait_until([&] { return held_.load(); }); }

 private:
  StepBatcher& batcher_;
  std::size_t wanted_;
  std::atomic<bool> held_ = false;
};

}  // namespace safelight
