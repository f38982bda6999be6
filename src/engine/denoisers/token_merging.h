// Token merging (Bolya and Hoffman, arXiv:2303.17604): tokens of a feature map that resemble each other attend as one.
#pragma once

#include <ATen/core/Tensor.h>

namespace safelight {

// Which tokens of x [B, height*width, width of a token] join which: the top left token of every 2 x 2 cell stays, and of the others the share of all
// tokens that is asked for, those most like one that stays (cosine), join it. Deterministic; every row of the batch by itself.
class TokenMerging {
 public:
  // share: of all tokens, 0..0.75; what exceeds the tokens that can join is cut off.
  TokenMerging(const at::Tensor& x, int64_t height, int64_t width, double share);
  at::Tensor merge(const at::Tensor& x) const;      // [B,N,C] -> [B,M,C]: joined tokens become their mean
  at::Tensor unmerge(const at::Tensor& y) const;    // [B,M,C] -> [B,N,C]: joined tokens get their common result
  int64_t merged() const { return joining_.size(1); }

 private:
  at::Tensor stays_, others_;            // int64 [D], [S]: places in the map
  at::Tensor alone_, joining_, target_;  // int64 [B,S-r], [B,r], [B,r]: among the others, and whom of those that stay they join
};

}  // namespace safelight
