#include "engine/tensor/attention.h"

#include <ATen/ATen.h>
#include <torch/version.h>

#include <algorithm>

#include "engine/tensor/flash_attention.h"
#include "engine/tensor/plain.h"
#include "engine/tensor/work.h"

namespace safelight {
namespace {

constexpr int64_t kMaxScoreElements = int64_t{1} << 24;  // 64 MiB of float32 scores at a time

at::Tensor scores(const AttentionCall& call, const at::Tensor& q, int64_t begin) {
  // bmm, not baddbmm with beta 0: libtorch 1.13 can leak uninitialised memory there on small matrices.
  at::Tensor logits = at::matmul(q, call.k.transpose(-1, -2)) * call.scale;
  if (!call.bias.defined()) return logits.softmax(-1);
  const bool per_query = call.bias.size(-2) > 1;
  return (logits + (per_query ? call.bias.narrow(-2, begin, q.size(-2)) : call.bias)).softmax(-1);
}

// The library's own fused attention, for other devices than the processor; undefined where it has none.
at::Tensor fused_by_library([[maybe_unused]] const AttentionCall& call) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 1)
  if (!call.q.is_cpu() && !PlainKernels::wanted()) {
    std::optional<at::Tensor> mask;
    if (call.bias.defined()) mask = call.bias.to(call.q.scalar_type()).expand({call.q.size(0), call.q.size(1), call.q.size(2), call.k.size(2)});
    return at::scaled_dot_product_attention(call.q, call.k, call.v, mask, /*dropout_p=*/0.0, /*is_causal=*/false, call.scale);
  }
#endif
  return {};
}

at::Tensor row_entropy(const at::Tensor& p) { return -(p.to(at::kCPU, at::kFloat) * p.to(at::kCPU, at::kFloat).clamp_min(1e-30).log()).sum(-1).contiguous(); }

}  // namespace

at::Tensor split_heads(const at::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

at::Tensor attention_probabilities(const AttentionCall& call) { return scores(call, call.q, 0); }

at::Tensor attention(AttentionCall call, const ForwardHooks& hooks) {
  if (hooks.edit) hooks.edit->edit_attention(call);
  if (hooks.observer && hooks.observer->wants_attention(call.layer, call.cross)) hooks.observer->on_attention(call);

  const bool entropy_wanted = hooks.observer && hooks.observer->wants_entropy(call.layer, call.cross);
  const WorkSpan work(Work::attention, 2.0 * static_cast<double>(call.q.numel() / call.q.size(3) * call.k.size(2) * (call.q.size(3) + call.v.size(3))));
  if (can_flash(call)) {
    at::Tensor entropy;
    if (entropy_wanted) entropy = at::empty({call.q.size(0), call.q.size(1), call.q.size(2)}, at::kFloat);
    at::Tensor out = flash_attention(call, entropy_wanted ? entropy.data_ptr<float>() : nullptr);
    if (entropy_wanted) hooks.observer->on_entropy(call.layer, entropy, call.k.size(2));
    return out;
  }
  if (entropy_wanted) hooks.observer->on_entropy(call.layer, row_entropy(attention_probabilities(call)), call.k.size(2));
  const int64_t batch = call.q.size(0), heads = call.q.size(1), tokens = call.q.size(2), dim = call.v.size(3);
  const auto joined = [&](const at::Tensor& out) { return out.transpose(1, 2).reshape({batch, tokens, heads * dim}); };
  if (const at::Tensor fused = fused_by_library(call); fused.defined()) return joined(fused);
  const int64_t per_query = batch * heads * call.k.size(2);
  const int64_t slice = std::clamp<int64_t>(kMaxScoreElements / std::max<int64_t>(per_query, 1), 1, tokens);
  at::Tensor out;
  if (slice == tokens) {
    out = at::matmul(scores(call, call.q, 0), call.v);
  } else {
    std::vector<at::Tensor> parts;
    for (int64_t begin = 0; begin < tokens; begin += slice) {
      const at::Tensor q = call.q.narrow(2, begin, std::min(slice, tokens - begin));
      parts.push_back(at::matmul(scores(call, q, begin), call.v));
    }
    out = at::cat(parts, 2);
  }
  return joined(out);
}

}  // namespace safelight
