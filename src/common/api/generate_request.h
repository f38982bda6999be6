// What a person asks for. Plain data; check() says what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/problem.h"

namespace safelight {

// How the noise is taken away. Empty strings and absent values mean "as the model recommends".
struct SchedulerChoice {
  std::string solver;               // name in the table of schedulers, for example "euler"
  std::string spacing;              // leading, trailing, linspace, karras, exponential, ...
  std::string prediction;           // epsilon, v_prediction, sample, flow: only to contradict the model's own setting
  std::optional<double> eta;        // share of fresh noise per step, 0..1, for solvers that have it
};

struct GenerateRequest {
  std::string model;                // name of an embedded model or path of a model directory; empty: the default model
  std::string prompt;               // UTF-8; may be empty
  std::string negative;             // UTF-8; what guidance leads away from
  int width = 0;                    // pixels; 0: the model's own size
  int height = 0;
  int steps = 0;                    // 1..1000; 0: as recommended
  std::optional<double> guidance;   // classifier-free guidance scale w in u + w (c - u); 0..100; 1 switches it off
  std::uint64_t seed = 0;           // images of a batch use seed, seed + 1, ...
  int count = 1;                    // images, 1..64
  SchedulerChoice scheduler;
  std::string dtype = "float32";    // arithmetic of the networks: float32 or bfloat16
  std::string probes = "summary";   // none, summary, full
};

constexpr int kMaxSide_px = 8192;
constexpr std::size_t kMaxPromptBytes = 64 * 1024;

// All problems that can be seen without a model. Empty when there are none.
std::vector<Problem> check(const GenerateRequest& request);

}  // namespace safelight
