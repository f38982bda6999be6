#include "engine/training/attention_loss.h"

#include <ATen/ATen.h>

#include <cmath>

#include "engine/tensor/attention.h"

namespace safelight {

AttentionLoss::AttentionLoss(at::Tensor tokens, at::Tensor masks, at::Tensor weight)
    : tokens_(std::move(tokens)), masks_(std::move(masks)), weight_(std::move(weight)) {}

void AttentionLoss::on_attention(const AttentionCall& call) {
  const int64_t queries = call.q.size(2), side = std::llround(std::sqrt(static_cast<double>(queries)));
  if (side * side != queries || side > masks_.size(-1) || masks_.size(-1) % side != 0) return;
  const at::Tensor map = attention_probabilities(call).to(at::kFloat).mean(1);  // [B,Q,T]
  const at::Tensor of_tokens = map.gather(2, tokens_.unsqueeze(1).expand({-1, queries, -1})).transpose(1, 2);  // [B,M,Q]
  const at::Tensor mask = at::adaptive_avg_pool2d(masks_, {side, side}).flatten(2);
  const at::Tensor inside = (of_tokens * mask).sum(2) / (of_tokens.sum(2) + 1e-6);
  // A mask that fills little of its cells can be met by no map; its best share is the largest cell's.
  const at::Tensor best = mask.amax(2).clamp_min(0.05);
  const at::Tensor there = ((tokens_ > 0) & (mask.sum(2) > 0)).to(at::kFloat) * weight_.unsqueeze(1);
  terms_.push_back((-(inside / best + 1e-4).log().clamp_max(0.0) * there).sum() / (there.sum() + 1e-6));
}

at::Tensor AttentionLoss::value() const {
  if (terms_.empty()) return {};
  return at::stack(terms_).mean();
}

}  // namespace safelight
