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
  std::string fast = "signs-fast", faithful = "signs-base";   // MODEL[:STEPS][@SIDE][+UPSCALER]
  std::string out;                            // directory of the page
  int count = 200;                            // prompts, drawn once in each mode
  std::vector<std::string> tasks;             // empty: all that the models' world knows
  PostFilter filter = {.denoise = 6, .deband = 2, .sharpen = 0.3};   // of the fast mode
  std::string fix_text;                       // of kFixLimits: words that the prompt quotes are written anew in the fast mode; empty: not
};

enum FlowMode { kFast, kFaithful, kFlowModes };
inline constexpr std::array<const char*, kFlowModes> kFlowNames = {"fast", "faithful"};

struct Flow {
  std::string name;                           // as it was asked for
  std::filesystem::path model;
  std::filesystem::path upscaler;             // of the drawn picture; empty: none
  std::string fingerprint;                    // of the files of both
  int steps = 0;                              // 0: as the model recommends
  int side_px = 0;                            // of the drawn picture; 0: as the model was trained
  PostFilter filter;                          // all off: none
  std::string fix_text;                       // after it; empty: none
};

struct FlowPlan {
  FlowOptions options;
  std::array<Flow, kFlowModes> flows;
  std::vector<EvalPrompt> prompts;            // their place is the seed of both pictures; tasks take turns
};

// Throws Error(invalid_argument) for wrong options, Error(conflict) for models of two worlds, Error(not_found), Error(unsupported) for upscalers.
FlowPlan plan_flows(const FlowOptions& options, Context& context);

}  // namespace safelight::app
