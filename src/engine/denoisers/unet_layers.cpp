#include "engine/denoisers/unet_layers.h"

#include <ATen/ATen.h>

#include <cmath>

#include "engine/denoisers/token_merging.h"
#include "engine/tensor/attention.h"
#include "engine/tensor/fused.h"

namespace safelight {

at::Tensor sinusoidal_embedding(const at::Tensor& timesteps, int64_t width, bool flip_sin_to_cos, double freq_shift) {
  const int64_t half = width / 2;
  const auto options = timesteps.options().dtype(at::kFloat);
  const at::Tensor exponent = at::arange(half, options) * (-std::log(10000.0)) / (static_cast<double>(half) - freq_shift);
  const at::Tensor angle = timesteps.to(at::kFloat).unsqueeze(1) * exponent.exp().unsqueeze(0);
  at::Tensor out = flip_sin_to_cos ? at::cat({angle.cos(), angle.sin()}, 1) : at::cat({angle.sin(), angle.cos()}, 1);
  if (width % 2 == 1) out = at::constant_pad_nd(out, {0, 1});
  return out;
}

ResnetBlock::ResnetBlock(const ParameterScope& p, int64_t in, int64_t out, int64_t time_width, int64_t groups,
                         double eps)
    : path_(p.path()),
      norm1_(p / "norm1", groups, in, eps),
      conv1_(p / "conv1", in, out, 3),
      time_(p / "time_emb_proj", time_width, out),
      norm2_(p / "norm2", groups, out, eps),
      conv2_(p / "conv2", out, out, 3) {
  if (in != out) shortcut_.emplace(p / "conv_shortcut", in, out, 1);
}

at::Tensor ResnetBlock::forward(const at::Tensor& x, const UnetPass& pass) const {
  at::Tensor h = conv1_(norm1_.silu(x));
  h = h + time_(pass.time).unsqueeze(-1).unsqueeze(-1);
  h = conv2_(norm2_.silu(h));
  return pass.hooks.block(path_, (shortcut_ ? (*shortcut_)(x) : x) + h);
}

AttentionLayer::AttentionLayer(const ParameterScope& p, int64_t width, int64_t context, int64_t heads, bool cross)
    : path_(p.path()),
      heads_(heads),
      cross_(cross),
      q_(p / "to_q", width, width, false),
      k_(p / "to_k", context, width, false),
      v_(p / "to_v", context, width, false),
      out_(p / "to_out.0", width, width) {}

KeysAndValues AttentionLayer::keys_and_values(const at::Tensor& x, const UnetPass& pass) const {
  const at::Tensor& context = cross_ ? pass.text : x;
  const auto make = [&] { return KeysAndValues{split_heads(k_(context), heads_), split_heads(v_(context), heads_)}; };
  return cross_ && pass.hooks.text_keys ? pass.hooks.text_keys->of(this, context, make) : make();
}

at::Tensor AttentionLayer::forward(const at::Tensor& x, const UnetPass& pass) const {
  const KeysAndValues kv = keys_and_values(x, pass);
  AttentionCall call{.layer = path_,
                     .cross = cross_,
                     .q = split_heads(q_(x), heads_),
                     .k = kv.keys,
                     .v = kv.values,
                     .scale = 1.0,
                     .bias = cross_ ? pass.text_bias : at::Tensor()};
  call.scale = 1.0 / std::sqrt(static_cast<double>(call.q.size(-1)));
  return out_(attention(std::move(call), pass.hooks));
}

Transformer2d::Block::Block(const ParameterScope& p, const TransformerShape& s)
    : norm1(p / "norm1", s.width),
      norm2(p / "norm2", s.width),
      norm3(p / "norm3", s.width),
      attn1(p / "attn1", s.width, s.only_cross ? s.context : s.width, s.heads, s.only_cross),
      attn2(p / "attn2", s.width, s.context, s.heads, true),
      gate(p / "ff.net.0.proj", s.width, 8 * s.width),
      out(p / "ff.net.2", 4 * s.width, s.width) {}

at::Tensor Transformer2d::Block::forward(at::Tensor x, const UnetPass& pass, int64_t height, int64_t width) const {
  const at::Tensor normed = norm1(x);
  if (pass.hooks.merge_tokens > 0 && height * width == pass.finest_tokens) {
    const TokenMerging merging(normed, height, width, pass.hooks.merge_tokens);
    x = x + merging.unmerge(attn1.forward(merging.merge(normed), pass));
  } else {
    x = x + attn1.forward(normed, pass);
  }
  x = x + attn2.forward(norm2(x), pass);
  return x + out(geglu(gate(norm3(x))));
}

Transformer2d::Transformer2d(const ParameterScope& p, const TransformerShape& s)
    : path_(p.path()), linear_(s.linear_projection), norm_(p / "norm", s.groups, s.width, 1e-6) {
  if (linear_) linear_in_.emplace(p / "proj_in", s.width, s.width);
  else conv_in_.emplace(p / "proj_in", s.width, s.width, 1);
  for (int64_t i = 0; i < s.layers; ++i) blocks_.emplace_back(p / "transformer_blocks" / static_cast<std::size_t>(i), s);
  if (linear_) linear_out_.emplace(p / "proj_out", s.width, s.width);
  else conv_out_.emplace(p / "proj_out", s.width, s.width, 1);
}

at::Tensor Transformer2d::forward(const at::Tensor& x, const UnetPass& pass) const {
  const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const auto to_tokens = [&](const at::Tensor& t) { return t.permute({0, 2, 3, 1}).reshape({n, h * w, c}); };
  const auto to_map = [&](const at::Tensor& t) { return t.view({n, h, w, c}).permute({0, 3, 1, 2}).contiguous(); };
  at::Tensor y = norm_(x);
  y = linear_ ? (*linear_in_)(to_tokens(y)) : to_tokens((*conv_in_)(y));
  for (const Block& block : blocks_) y = block.forward(std::move(y), pass, h, w);
  y = linear_ ? to_map((*linear_out_)(y)) : (*conv_out_)(to_map(y));
  return pass.hooks.block(path_, y + x);
}

}  // namespace safelight
