// softmax(scale q k^T + bias) v without the matrix of scores: keys and values pass in blocks, and a running maximum and sum per query
// keep the softmax exact (Dao et al., arXiv:2205.14135; Milakov and Gimelshein, arXiv:1805.02867). For the CPU.
#pragma once

#include <string>
#include <vector>

#include "engine/tensor/hooks.h"

namespace safelight {

// Whether this call can be computed here: on the CPU, float32 or bfloat16, nothing that needs a gradient, enough keys to be worth it.
bool can_flash(const AttentionCall& call);

// q [B,heads,M,d], k [B,heads,N,d], v [B,heads,N,d'] of any strides; bias as in AttentionCall. Returns [B,M,heads*d'], contiguous. The result does
// not depend on the number of threads. `entropy`: float32 [B,heads,M], contiguous, gets each row's entropy in nats; or null.
// bfloat16 uses the processor's own dot products where it has them, else float32 inside.
at::Tensor flash_attention(const AttentionCall& call, float* entropy = nullptr);

// The kernels that this processor can run, the best first: "avx512-bf16", "avx512", "avx2", "plain". For tests and `lab bench`.
std::vector<std::string> flash_kernels();
// With one of them, whatever is usual; bfloat16 needs "avx512-bf16" for its own products and is widened by the others.
at::Tensor flash_attention_with(const std::string& kernel, const AttentionCall& call, float* entropy = nullptr);

}  // namespace safelight
