// Holds the cross-attention of each token whose place is known (nouns, letters of signs) to the mask of what it names, as a
// training signal. The masks are the renderer's, so this is ground truth, not another model's opinion. Source: the token loss of
// TokenCompose (arXiv:2312.03626).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/tensor/hooks.h"

namespace safelight {

class AttentionLoss final : public ForwardObserver {
 public:
  // tokens: int64 [B,M] positions of those whose place in the picture is known, 0 where there is none; masks: [B,M,s,s] in [0,1]; weight: [B].
  AttentionLoss(at::Tensor tokens, at::Tensor masks, at::Tensor weight);
  bool wants_attention(std::string_view, bool cross) const override { return cross; }
  // Square feature maps whose side divides the masks' are taken; others are left out.
  void on_attention(const AttentionCall& call) override;
  // Mean over layers of -log(share of a token's attention that lies in its mask); undefined when there was nothing to look at.
  at::Tensor value() const;

 private:
  at::Tensor tokens_, masks_, weight_;
  std::vector<at::Tensor> terms_;
};

}  // namespace safelight
