// Holds each noun's cross-attention to the mask of what it names, as a training signal. The masks are the renderer's, so
// this is ground truth, not another model's opinion. Source: the token loss of TokenCompose (arXiv:2312.03626).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/tensor/hooks.h"

namespace safelight {

class AttentionLoss final : public ForwardObserver {
 public:
  // nouns: int64 [B,M] token positions, 0 where there is none; masks: [B,M,s,s] in [0,1]; weight: [B].
  AttentionLoss(at::Tensor nouns, at::Tensor masks, at::Tensor weight);
  bool wants_attention(std::string_view, bool cross) const override { return cross; }
  // Square feature maps whose side divides the masks' are taken; others are left out.
  void on_attention(const AttentionCall& call) override;
  // Mean over layers of -log(share of a noun's attention that lies in its mask); undefined when there was nothing to look at.
  at::Tensor value() const;

 private:
  at::Tensor nouns_, masks_, weight_;
  std::vector<at::Tensor> terms_;
};

}  // namespace safelight
