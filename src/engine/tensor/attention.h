// The one attention call of the house. Everything that attends goes through here, so that kernels, observation
// and edits have a single place.
#pragma once

#include "engine/tensor/hooks.h"

namespace safelight {

// softmax(scale * q k^T + bias) v for q,k,v [B, heads, tokens, head_dim]; returns [B, q_tokens, heads*head_dim].
// Queries are processed in slices so that the score matrix stays under a fixed size whatever the resolution.
// The result is independent of whether an observer is present. Differentiable.
at::Tensor attention(AttentionCall call, const ForwardHooks& hooks);

// The attention probabilities of a call, [B, heads, q_tokens, k_tokens], recomputed from its queries and keys.
at::Tensor attention_probabilities(const AttentionCall& call);

// [B, tokens, heads*head_dim] -> [B, heads, tokens, head_dim], a view.
at::Tensor split_heads(const at::Tensor& x, int64_t heads);

}  // namespace safelight
