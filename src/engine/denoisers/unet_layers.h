// The building blocks of the UNet with cross-attention: residual block, transformer, time embedding.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor/hooks.h"
#include "engine/tensor/text_keys.h"
#include "engine/weights/layers.h"

namespace safelight {

// Sinusoidal embedding of timesteps [B] -> [B, width], float32 (Vaswani et al., arXiv:1706.03762).
at::Tensor sinusoidal_embedding(const at::Tensor& timesteps, int64_t width, bool flip_sin_to_cos, double freq_shift);

// What every block of one evaluation shares.
struct UnetPass {
  at::Tensor time;       // [B, time_width], already through the activation
  at::Tensor text;       // [B, tokens, cross_attention_dim]
  at::Tensor text_bias;  // undefined, or [B,1,1,tokens]
  int64_t finest_tokens; // of the largest feature map that attends: where tokens may be merged
  const ForwardHooks& hooks;
};

// Two convolutions with the time embedding added between them, and a shortcut. [B,in,h,w] -> [B,out,h,w].
class ResnetBlock {
 public:
  ResnetBlock(const ParameterScope& p, int64_t in, int64_t out, int64_t time_width, int64_t groups, double eps);
  at::Tensor forward(const at::Tensor& x, const UnetPass& pass) const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  GroupNorm norm1_;
  Conv2d conv1_;
  Linear time_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Conv2d> shortcut_;
};

class AttentionLayer {
 public:
  // `context` is the width of keys and values; `cross` says that they come from the text.
  AttentionLayer(const ParameterScope& p, int64_t width, int64_t context, int64_t heads, bool cross);
  at::Tensor forward(const at::Tensor& x, const UnetPass& pass) const;

 private:
  KeysAndValues keys_and_values(const at::Tensor& x, const UnetPass& pass) const;
  std::string path_;
  int64_t heads_;
  bool cross_;
  Linear q_, k_, v_, out_;
};

struct TransformerShape {
  int64_t width = 0;
  int64_t heads = 1;
  int64_t context = 0;
  int64_t layers = 1;
  int64_t groups = 32;
  bool only_cross = false;
  bool linear_projection = false;
};

// Self-attention, cross-attention and a gated feed-forward over the pixels of a feature map. Keeps the shape.
class Transformer2d {
 public:
  Transformer2d(const ParameterScope& p, const TransformerShape& shape);
  at::Tensor forward(const at::Tensor& x, const UnetPass& pass) const;
  const std::string& path() const { return path_; }

 private:
  struct Block {
    Block(const ParameterScope& p, const TransformerShape& shape);
    at::Tensor forward(at::Tensor x, const UnetPass& pass, int64_t height, int64_t width) const;
    LayerNorm norm1, norm2, norm3;
    AttentionLayer attn1, attn2;
    Linear gate, out;
  };
  std::string path_;
  bool linear_;
  GroupNorm norm_;
  std::optional<Conv2d> conv_in_, conv_out_;
  std::optional<Linear> linear_in_, linear_out_;
  std::vector<Block> blocks_;
};

}  // namespace safelight
