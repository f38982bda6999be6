// The scores that can be differentiated: a score is a function and a line of the table.
#pragma once

#include <functional>

#include "engine/pipelines/gradients.h"

namespace safelight {

// One evaluation of a step, with everything that leads to it still attached.
struct GradientView {
  at::Tensor pixels;                           // [1,3,H,W] of the decoded estimate, in the region asked for; nominally -1..1
  at::Tensor cond, uncond;                     // raw outputs [1,C,h,w]; uncond undefined without guidance
  at::Tensor x0;                               // [1,C,h,w]
  std::vector<at::Tensor> attention;           // of every cross-attention layer: the conditional half's probabilities [heads,queries,tokens]
  std::vector<int64_t> word;                   // places of the word's tokens
};

struct GradientScoreRow {
  GradientScore about;
  bool needs_pixels = false, needs_attention = false;
  at::Tensor (*value)(const GradientView&) = nullptr;   // a number
};

const std::vector<GradientScoreRow>& gradient_score_table();

}  // namespace safelight
