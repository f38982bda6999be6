// Two ways to draw, compared on the same prompts and seeds: fast (few steps or a fast model, then the post-filter) and faithful.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/context.h"
#include "engine/training/checker/eval_tasks.h"
#include "finish/postfilter/postfilter.h"

namespace safelight::app {

struct FlowOptions {
  std::string fast = "signs-nano:4", faithful = "signs-nano";   // MODEL, or MODEL:STEPS
  std::string out;                            // directory of the page
  int count = 200;                            // prompts, drawn once in each mode
  std::vector<std::string> tasks;             // empty: all that the models' world knows
  PostFilter filter = {.denoise = 6, .deband = 2, .sharpen = 0.3};   // of the fast mode
};

enum FlowMode { kFast, kFaithful, kFlowModes };
inline constexpr std::array<const char*, kFlowModes> kFlowNames = {"fast", "faithful"};

struct Flow {
  std::string name;                           // as it was asked for
  std::filesystem::path model;
  std::string fingerprint;                    // of the model's files
  int steps = 0;                              // 0: as the model recommends
  PostFilter filter;                          // all off: none
};

struct FlowPlan {
  FlowOptions options;
  std::array<Flow, kFlowModes> flows;
  std::vector<EvalPrompt> prompts;            // their place is the seed of both pictures; tasks take turns
};

// Throws Error(invalid_argument) for wrong options, Error(conflict) for models of two worlds, Error(not_found), Error(unsupported) for upscalers.
FlowPlan plan_flows(const FlowOptions& options, Context& context);

}  // namespace safelight::app
