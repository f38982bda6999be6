// What a forward pass offers to the outside: read-only views for probes, and edits for interventions.
// Both are optional and null by default, so an unobserved pass does no extra work.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace safelight {

// One attention layer, about to run. q, k, v: [B, heads, tokens, head_dim]. `logits` = scale * q k^T + bias.
struct AttentionCall {
  std::string_view layer;  // module path, for example "mid_block.attentions.0.transformer_blocks.0.attn2"
  bool cross = false;      // keys come from the text
  at::Tensor q, k, v;
  double scale = 1.0;
  at::Tensor bias;         // undefined, or broadcastable to [B, heads, q_tokens, k_tokens]
};

// Probes derive from this. Calls arrive on the thread that runs the pass; tensors must not be written to.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  // False spares the layer its observation entirely.
  virtual bool wants_attention(std::string_view /*layer*/, bool /*cross*/) const { return false; }
  virtual void on_attention(const AttentionCall& /*call*/) {}
  // Entropy of every row of the softmax, at almost no cost: asked for before the layer runs, told after.
  virtual bool wants_entropy(std::string_view /*layer*/, bool /*cross*/) const { return false; }
  // entropy: float32 [B, heads, q_tokens], nats; at most log(keys).
  virtual void on_entropy(std::string_view /*layer*/, const at::Tensor& /*entropy*/, int64_t /*keys*/) {}
  virtual bool wants_blocks() const { return false; }
  // x: the output of a resnet, transformer, down, mid or up block, in forward order.
  virtual void on_block(std::string_view /*module*/, const at::Tensor& /*x*/) {}
  // What the denoising network itself was told about the noise: float [B], training steps.
  virtual void on_timesteps(const at::Tensor& /*timesteps*/) {}
  // What the decoder itself was given, [N,C,h,w] in the denoiser's scale, and what it gave, [N,3,H,W].
  virtual void on_decode(const at::Tensor& /*latents*/, const at::Tensor& /*pixels*/) {}
};

// Interventions derive from this. An edit must be a pure function of the call and its own settings.
class ForwardEdit {
 public:
  virtual ~ForwardEdit() = default;
  virtual void edit_attention(AttentionCall& /*call*/) {}
  virtual at::Tensor edit_block(std::string_view /*module*/, at::Tensor x) { return x; }
};

class StepCache;   // engine/tensor/step_cache.h
class TextKeys;    // engine/tensor/text_keys.h

struct ForwardHooks {
  ForwardObserver* observer = nullptr;
  ForwardEdit* edit = nullptr;
  StepCache* cache = nullptr;   // null: every pass is whole
  TextKeys* text_keys = nullptr;   // null: keys and values of the text are made in every pass
  double merge_tokens = 0;      // share of the finest self-attention's tokens that are merged

  // Applies the edit, then shows the result to the observer.
  at::Tensor block(std::string_view module, at::Tensor x) const {
    if (edit) x = edit->edit_block(module, std::move(x));
    if (observer && observer->wants_blocks()) observer->on_block(module, x);
    return x;
  }
  void timesteps(const at::Tensor& told) const {
    if (observer) observer->on_timesteps(told);
  }
  at::Tensor decoded(const at::Tensor& latents, at::Tensor pixels) const {
    if (observer) observer->on_decode(latents, pixels);
    return pixels;
  }
};

}  // namespace safelight
