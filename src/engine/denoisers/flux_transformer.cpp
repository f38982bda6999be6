#include "engine/denoisers/flux_transformer.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>

#include "common/base/error.h"
#include "engine/tensor/attention.h"
#include "engine/tensor/step_cache.h"
#include "engine/weights/config_reader.h"

namespace safelight {
namespace {

constexpr double kTheta = 10'000, kTrainingSteps = 1000;

}  // namespace

FluxConfig FluxConfig::from_json(const Json& json, const std::string& where) {
  FluxConfig c;
  const ConfigReader read(json, where);
  for (const auto& [key, value] : {std::pair{"in_channels", &c.in_channels}, {"num_layers", &c.num_layers}, {"num_single_layers", &c.num_single_layers},
                                   {"attention_head_dim", &c.head_dim}, {"num_attention_heads", &c.heads},
                                   {"joint_attention_dim", &c.joint_attention_dim}, {"pooled_projection_dim", &c.pooled_projection_dim}}) {
    read(key, *value);
    read.positive(key, *value);
  }
  read("guidance_embeds", c.guidance_embeds);
  read.list("axes_dims_rope", c.axes, 3);
  read.must_be("patch_size", 1);
  for (const int64_t a : c.axes)
    if (a < 2 || a % 2 != 0) read.fail("axes_dims_rope", "must hold even numbers");
  if (c.axes.size() != 3 || std::accumulate(c.axes.begin(), c.axes.end(), int64_t{0}) != c.head_dim)
    read.fail("axes_dims_rope", "must be three numbers that add up to attention_head_dim");
  return c;
}

FluxTransformer::Double::Double(const ParameterScope& p, const FluxConfig& c)
    : path(p.path()),
      heads(c.heads),
      norm1(p / "norm1", c.width(), 6),
      norm1_text(p / "norm1_context", c.width(), 6),
      image_qkv(p / "attn", "to_q", "to_k", "to_v", c.width(), c.width()),
      text_qkv(p / "attn", "add_q_proj", "add_k_proj", "add_v_proj", c.width(), c.width()),
      image_out(p / "attn.to_out.0", c.width(), c.width()),
      text_out(p / "attn.to_add_out", c.width(), c.width()),
      ff(p / "ff", c.width()),
      ff_text(p / "ff_context", c.width()) {
  image_qkv.add_norms(p / "attn", "norm_q", "norm_k", c.head_dim);
  text_qkv.add_norms(p / "attn", "norm_added_q", "norm_added_k", c.head_dim);
}

void FluxTransformer::Double::forward(at::Tensor& image, at::Tensor& text, const at::Tensor& embedding, const Rotation& r, const ForwardHooks& hooks) const {
  const std::vector<at::Tensor> m = norm1(embedding), t = norm1_text(embedding);
  at::Tensor q, k, v, tq, tk, tv;
  image_qkv(modulated(image, m[0], m[1]), heads, q, k, v);
  text_qkv(modulated(text, t[0], t[1]), heads, tq, tk, tv);
  const std::string layer = path + ".attn";
  const at::Tensor both = attention({.layer = layer, .cross = false, .q = rotated(at::cat({tq, q}, 2), r), .k = rotated(at::cat({tk, k}, 2), r),
                                     .v = at::cat({tv, v}, 2), .scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1))), .bias = {}}, hooks);
  const int64_t words = text.size(1);
  image = image + m[2] * image_out(both.slice(1, words));
  image = hooks.block(path, image + m[5] * ff(modulated(image, m[3], m[4])));
  text = text + t[2] * text_out(both.slice(1, 0, words));
  text = text + t[5] * ff_text(modulated(text, t[3], t[4]));
}

FluxTransformer::Single::Single(const ParameterScope& p, const FluxConfig& c)
    : path(p.path()),
      heads(c.heads),
      norm(p / "norm", c.width(), 3),
      qkv(p / "attn", "to_q", "to_k", "to_v", c.width(), c.width()),
      mlp(p / "proj_mlp", c.width(), 4 * c.width()),
      out(p / "proj_out", 5 * c.width(), c.width()) {
  qkv.add_norms(p / "attn", "norm_q", "norm_k", c.head_dim);
}

at::Tensor FluxTransformer::Single::forward(const at::Tensor& x, const at::Tensor& embedding, const Rotation& r, const ForwardHooks& hooks) const {
  const std::vector<at::Tensor> m = norm(embedding);
  const at::Tensor n = modulated(x, m[0], m[1]);
  at::Tensor q, k, v;
  qkv(n, heads, q, k, v);
  const std::string layer = path + ".attn";
  const at::Tensor attended = attention({.layer = layer, .cross = false, .q = rotated(q, r), .k = rotated(k, r), .v = v,
                                         .scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1))), .bias = {}}, hooks);
  return hooks.block(path, x + m[2] * out(at::cat({attended, at::gelu(mlp(n), "tanh")}, 2)));
}

FluxTransformer::FluxTransformer(const ParameterScope& p, const FluxConfig& c)
    : config_(c),
      image_in_(p / "x_embedder", c.in_channels, c.width()),
      text_in_(p / "context_embedder", c.joint_attention_dim, c.width()),
      time_(p / "time_text_embed.timestep_embedder", c.width()),
      pooled_(p / "time_text_embed.text_embedder", c.pooled_projection_dim, c.width()),
      norm_out_(p / "norm_out", c.width()),
      out_(p / "proj_out", c.width(), c.in_channels) {
  if (c.guidance_embeds) guidance_.emplace(p / "time_text_embed.guidance_embedder", c.width());
  for (int64_t i = 0; i < c.num_layers; ++i) double_.emplace_back(p / "transformer_blocks" / static_cast<std::size_t>(i), c);
  for (int64_t i = 0; i < c.num_single_layers; ++i) single_.emplace_back(p / "single_transformer_blocks" / static_cast<std::size_t>(i), c);
}

std::vector<std::string> FluxTransformer::block_names() const {
  std::vector<std::string> names;
  for (const Double& b : double_) names.push_back(b.path);
  for (const Single& b : single_) names.push_back(b.path);
  return names;
}

// Angles in float64: in half precision neighbouring positions would fall together.
FluxTransformer::Rotation FluxTransformer::rotation(const at::Tensor& ids, at::Device device) const {
  std::vector<at::Tensor> angles;
  for (std::size_t axis = 0; axis < config_.axes.size(); ++axis) {
    const int64_t dim = config_.axes[axis];
    const at::Tensor omega = at::pow(kTheta, at::arange(0, dim, 2, at::kDouble) / static_cast<double>(dim)).reciprocal();
    angles.push_back(ids.select(1, static_cast<int64_t>(axis)).to(at::kDouble).unsqueeze(1) * omega.unsqueeze(0));
  }
  const at::Tensor all = at::cat(angles, 1).unsqueeze(0).unsqueeze(0);
  return {all.cos().to(device, at::kFloat), all.sin().to(device, at::kFloat)};
}

at::Tensor FluxTransformer::rotated(const at::Tensor& x, const Rotation& r) {
  const at::Tensor wide = x.to(at::kFloat).unflatten(3, {-1, 2});
  const at::Tensor a = wide.select(4, 0), b = wide.select(4, 1);
  return at::stack({r.cos * a - r.sin * b, r.sin * a + r.cos * b}, 4).flatten(3).to(x.scalar_type());
}

at::Tensor FluxTransformer::through_blocks(const at::Tensor& image, at::Tensor text, const at::Tensor& embedding, const Rotation& r, const ForwardHooks& hooks) const {
  return run_blocks(
      hooks.cache, image,
      [&](at::Tensor x) {
        double_.front().forward(x, text, embedding, r, hooks);
        return x;
      },
      [&](at::Tensor x) {
        for (std::size_t i = 1; i < double_.size(); ++i) double_[i].forward(x, text, embedding, r, hooks);
        x = at::cat({text, x}, 1);
        for (const Single& block : single_) x = block.forward(x, embedding, r, hooks);
        return x.slice(1, text.size(1));
      });
}

at::Tensor FluxTransformer::forward(const FluxInputs& in, const ForwardHooks& hooks) const {
  const auto dtype = in.sample.scalar_type();
  at::Tensor embedding = time_(in.timesteps.to(at::kFloat) * kTrainingSteps, dtype);
  if (guidance_) {
    if (!in.guidance.defined()) throw Error(ErrorCode::invalid_argument, "this transformer needs the guidance scale as an input");
    embedding = embedding + (*guidance_)(in.guidance.to(at::kFloat) * kTrainingSteps, dtype);
  }
  embedding = embedding + pooled_(in.pooled);
  at::Tensor image = image_in_(in.sample), text = text_in_(in.text);
  const Rotation r = rotation(at::cat({in.text_ids, in.image_ids}, 0), in.sample.device());
  return out_(norm_out_(through_blocks(image, text, embedding, r, hooks), embedding));
}

at::Tensor packed_latents(const at::Tensor& l) {
  const int64_t h = l.size(2) / 2, w = l.size(3) / 2;
  return l.reshape({l.size(0), l.size(1), h, 2, w, 2}).permute({0, 2, 4, 1, 3, 5}).reshape({l.size(0), h * w, l.size(1) * 4});
}

at::Tensor unpacked_latents(const at::Tensor& tokens, int64_t height, int64_t width) {
  const int64_t channels = tokens.size(2) / 4;
  return tokens.view({tokens.size(0), height / 2, width / 2, channels, 2, 2}).permute({0, 3, 1, 4, 2, 5}).reshape({tokens.size(0), channels, height, width});
}

at::Tensor patch_ids(int64_t rows, int64_t columns) {
  at::Tensor ids = at::zeros({rows, columns, 3});
  ids.select(2, 1).copy_(at::arange(rows, at::kFloat).unsqueeze(1).expand({rows, columns}));
  ids.select(2, 2).copy_(at::arange(columns, at::kFloat).unsqueeze(0).expand({rows, columns}));
  return ids.view({rows * columns, 3});
}

}  // namespace safelight
