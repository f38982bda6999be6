#include "engine/denoisers/mmdit.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "engine/tensor/attention.h"
#include "engine/tensor/step_cache.h"
#include "engine/weights/config_reader.h"

namespace safelight {

MmditConfig MmditConfig::from_json(const Json& json, const std::string& where) {
  MmditConfig c;
  const ConfigReader read(json, where);
  for (const auto& [key, value] :
       {std::pair{"sample_size", &c.sample_size}, {"patch_size", &c.patch_size}, {"in_channels", &c.in_channels}, {"out_channels", &c.out_channels},
        {"num_layers", &c.num_layers}, {"attention_head_dim", &c.head_dim}, {"num_attention_heads", &c.heads},
        {"joint_attention_dim", &c.joint_attention_dim}, {"caption_projection_dim", &c.caption_projection_dim},
        {"pooled_projection_dim", &c.pooled_projection_dim}, {"pos_embed_max_size", &c.pos_embed_max_size}}) {
    read(key, *value);
    read.positive(key, *value);
  }
  if (c.caption_projection_dim != c.width())
    read.fail("caption_projection_dim", "is " + std::to_string(c.caption_projection_dim) + "; heads and their size make " + std::to_string(c.width()));
  std::string norm;
  read("qk_norm", norm);
  if (!norm.empty()) read.one_of("qk_norm", norm, {"rms_norm"});
  c.qk_norm = !norm.empty();
  if (json.contains("dual_attention_layers") && json["dual_attention_layers"].is_array())
    read.list("dual_attention_layers", c.dual_attention_layers, json["dual_attention_layers"].size());
  return c;
}

Mmdit::Block::Block(const ParameterScope& p, const MmditConfig& c, int64_t index)
    : path(p.path()),
      heads(c.heads),
      last(index + 1 == c.num_layers),
      norm1(p / "norm1", c.width(), std::count(c.dual_attention_layers.begin(), c.dual_attention_layers.end(), index) > 0 ? 9 : 6),
      image_qkv(p / "attn", "to_q", "to_k", "to_v", c.width(), c.width()),
      text_qkv(p / "attn", "add_q_proj", "add_k_proj", "add_v_proj", c.width(), c.width()),
      image_out(p / "attn.to_out.0", c.width(), c.width()),
      ff(p / "ff", c.width()) {
  if (last) {
    norm1_text_last.emplace(p / "norm1_context", c.width());
  } else {
    norm1_text.emplace(p / "norm1_context", c.width(), 6);
    text_out.emplace(p / "attn.to_add_out", c.width(), c.width());
    ff_text.emplace(p / "ff_context", c.width());
  }
  if (c.qk_norm) {
    image_qkv.add_norms(p / "attn", "norm_q", "norm_k", c.head_dim);
    text_qkv.add_norms(p / "attn", "norm_added_q", "norm_added_k", c.head_dim);
  }
  if (std::count(c.dual_attention_layers.begin(), c.dual_attention_layers.end(), index) > 0) {
    second_qkv.emplace(p / "attn2", "to_q", "to_k", "to_v", c.width(), c.width());
    if (c.qk_norm) second_qkv->add_norms(p / "attn2", "norm_q", "norm_k", c.head_dim);
    second_out.emplace(p / "attn2.to_out.0", c.width(), c.width());
  }
}

void Mmdit::Block::forward(at::Tensor& image, at::Tensor& text, const at::Tensor& embedding, const ForwardHooks& hooks) const {
  const std::vector<at::Tensor> m = norm1(embedding);
  const std::vector<at::Tensor> t = norm1_text ? (*norm1_text)(embedding) : std::vector<at::Tensor>();
  const at::Tensor from_image = modulated(image, m[0], m[1]);
  const at::Tensor from_text = last ? (*norm1_text_last)(text, embedding) : modulated(text, t[0], t[1]);
  const auto attend = [&](const AttentionCall& call) { return attention(call, hooks); };
  at::Tensor q, k, v, tq, tk, tv;
  image_qkv(from_image, heads, q, k, v);
  text_qkv(from_text, heads, tq, tk, tv);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  const std::string joint = path + ".attn";
  const at::Tensor both = attend({.layer = joint, .cross = false, .q = at::cat({q, tq}, 2), .k = at::cat({k, tk}, 2), .v = at::cat({v, tv}, 2), .scale = scale, .bias = {}});
  const int64_t places = image.size(1);
  const at::Tensor before = image;
  image = image + m[2] * image_out(both.slice(1, 0, places));
  if (second_qkv) {
    (*second_qkv)(modulated(before, m[6], m[7]), heads, q, k, v);
    image = image + m[8] * (*second_out)(attend({.layer = joint + "2", .cross = false, .q = q, .k = k, .v = v, .scale = scale, .bias = {}}));
  }
  image = hooks.block(path, image + m[5] * ff(modulated(image, m[3], m[4])));
  if (last) return;
  text = text + t[2] * (*text_out)(both.slice(1, places));
  text = text + t[5] * (*ff_text)(modulated(text, t[3], t[4]));
}

Mmdit::Mmdit(const ParameterScope& p, const MmditConfig& c)
    : config_(c),
      patches_(p / "pos_embed.proj", c.in_channels, c.width(), c.patch_size, c.patch_size, 0),
      positions_((p / "pos_embed").create("pos_embed", {1, c.pos_embed_max_size * c.pos_embed_max_size, c.width()}, Init::normal_002)),
      time_(p / "time_text_embed.timestep_embedder", c.width()),
      pooled_(p / "time_text_embed.text_embedder", c.pooled_projection_dim, c.width()),
      text_in_(p / "context_embedder", c.joint_attention_dim, c.width()),
      norm_out_(p / "norm_out", c.width()),
      out_(p / "proj_out", c.width(), c.patch_size * c.patch_size * c.out_channels) {
  for (int64_t i = 0; i < c.num_layers; ++i) blocks_.emplace_back(p / "transformer_blocks" / static_cast<std::size_t>(i), c, i);
}

std::vector<std::string> Mmdit::block_names() const {
  std::vector<std::string> names;
  for (const Block& b : blocks_) names.push_back(b.path);
  return names;
}

// The middle of the stored square of positions.
at::Tensor Mmdit::position(int64_t rows, int64_t columns) const {
  const int64_t side = config_.pos_embed_max_size;
  if (rows > side || columns > side)
    throw Error(ErrorCode::invalid_argument, "this transformer has positions for " + std::to_string(side) + " x " + std::to_string(side) +
                                                 " patches; the picture has " + std::to_string(columns) + " x " + std::to_string(rows));
  const at::Tensor square = positions_.view({1, side, side, -1});
  const int64_t top = (side - rows) / 2, left = (side - columns) / 2;
  return square.slice(1, top, top + rows).slice(2, left, left + columns).reshape({1, rows * columns, -1});
}

at::Tensor Mmdit::through_blocks(const at::Tensor& image, at::Tensor words, const at::Tensor& embedding, const ForwardHooks& hooks) const {
  const auto through = [&](at::Tensor x, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) blocks_[i].forward(x, words, embedding, hooks);
    return x;
  };
  return run_blocks(hooks.cache, image, [&](at::Tensor x) { return through(std::move(x), 0, 1); },
                    [&](at::Tensor x) { return through(std::move(x), 1, blocks_.size()); });
}

at::Tensor Mmdit::forward(const at::Tensor& sample, const at::Tensor& timesteps, const at::Tensor& text, const at::Tensor& pooled,
                          const ForwardHooks& hooks) const {
  const int64_t patch = config_.patch_size, rows = sample.size(2) / patch, columns = sample.size(3) / patch;
  at::Tensor image = patches_(sample).flatten(2).transpose(1, 2) + position(rows, columns);
  const at::Tensor embedding = time_(timesteps, sample.scalar_type()) + pooled_(pooled);
  image = through_blocks(image, text_in_(text), embedding, hooks);
  const at::Tensor out = out_(norm_out_(image, embedding));
  return out.view({-1, rows, columns, patch, patch, config_.out_channels}).permute({0, 5, 1, 3, 2, 4}).reshape({-1, config_.out_channels, rows * patch, columns * patch});
}

}  // namespace safelight
