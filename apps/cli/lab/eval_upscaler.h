// The scores of an upscaler against plain resampling, on scenes that training never showed.
#pragma once

#include <filesystem>

#include "apps/cli/context.h"
#include "common/api/generate_request.h"

namespace safelight::app {

struct UpscalerEvaluation {
  std::filesystem::path model;
  GenerateRequest request;        // model and, for a cascade, sampling
  int count = 100;                // scenes a group: new ones of the world of training, and ones with what was held out of it; half have signs
  int factor = 0;                 // of the side; 0: of one pass
  int low_px = 0;                 // side of the small pictures; 0: that of training
  std::filesystem::path out;      // for board.json, pictures.jsonl and sheet.png; empty: nothing is written
};

// Prints the table, or with --json the board; returns the exit status. An interrupt ends it early with what was reached.
int evaluate_upscaler(const UpscalerEvaluation& evaluation, Context& context);

}  // namespace safelight::app
