#include "engine/text/clip_text_encoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "engine/tensor/attention.h"
#include "engine/tensor/fused.h"
#include "engine/weights/config_reader.h"

namespace safelight {

ClipTextConfig ClipTextConfig::from_json(const Json& json, const std::string& where) {
  ClipTextConfig c;
  const ConfigReader read(json, where);
  read("vocab_size", c.vocab_size);
  read("hidden_size", c.hidden_size);
  read("intermediate_size", c.intermediate_size);
  read("num_hidden_layers", c.num_hidden_layers);
  read("num_attention_heads", c.num_attention_heads);
  read("max_position_embeddings", c.max_position_embeddings);
  read("projection_dim", c.projection_dim);
  read("hidden_act", c.hidden_act);
  read("layer_norm_eps", c.layer_norm_eps);
  read("eos_token_id", c.eos_token_id);
  c.projected = read.architecture() == "CLIPTextModelWithProjection";
  read.one_of("hidden_act", c.hidden_act, {"quick_gelu", "gelu"});
  for (const auto& [key, value] : {std::pair{"vocab_size", c.vocab_size}, {"hidden_size", c.hidden_size},
                                   {"intermediate_size", c.intermediate_size},
                                   {"num_hidden_layers", c.num_hidden_layers},
                                   {"num_attention_heads", c.num_attention_heads},
                                   {"max_position_embeddings", c.max_position_embeddings}})
    read.positive(key, value);
  if (c.max_position_embeddings < 3) read.fail("max_position_embeddings", "leaves no room between the begin and the end token");
  read.divides("num_attention_heads", c.num_attention_heads, "hidden_size", c.hidden_size);
  return c;
}

ClipTextEncoder::Layer::Layer(const ParameterScope& p, const ClipTextConfig& c)
    : path(p.path()),
      heads(c.num_attention_heads),
      quick_gelu(c.hidden_act == "quick_gelu"),
      norm1(p / "layer_norm1", c.hidden_size, c.layer_norm_eps),
      norm2(p / "layer_norm2", c.hidden_size, c.layer_norm_eps),
      q(p / "self_attn" / "q_proj", c.hidden_size, c.hidden_size),
      k(p / "self_attn" / "k_proj", c.hidden_size, c.hidden_size),
      v(p / "self_attn" / "v_proj", c.hidden_size, c.hidden_size),
      out(p / "self_attn" / "out_proj", c.hidden_size, c.hidden_size),
      fc1(p / "mlp" / "fc1", c.hidden_size, c.intermediate_size),
      fc2(p / "mlp" / "fc2", c.intermediate_size, c.hidden_size) {}

at::Tensor ClipTextEncoder::Layer::forward(const at::Tensor& x, const at::Tensor& bias,
                                           const ForwardHooks& hooks) const {
  const at::Tensor n = norm1(x);
  AttentionCall call{.layer = path,
                     .cross = false,
                     .q = split_heads(q(n), heads),
                     .k = split_heads(k(n), heads),
                     .v = split_heads(v(n), heads),
                     .scale = 1.0,
                     .bias = bias};
  call.scale = 1.0 / std::sqrt(static_cast<double>(call.q.size(-1)));
  const at::Tensor y = x + out(attention(std::move(call), hooks));
  const at::Tensor h = fc1(norm2(y));
  return hooks.block(path, y + fc2(quick_gelu ? safelight::quick_gelu(h) : at::gelu(h)));
}

ClipTextEncoder::ClipTextEncoder(const ParameterScope& p, const ClipTextConfig& config)
    : config_(config),
      tokens_(p / "text_model.embeddings.token_embedding", config.vocab_size, config.hidden_size),
      positions_(p / "text_model.embeddings.position_embedding", config.max_position_embeddings, config.hidden_size),
      final_norm_(p / "text_model.final_layer_norm", config.hidden_size, config.layer_norm_eps) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i)
    layers_.emplace_back(p / "text_model.encoder.layers" / static_cast<std::size_t>(i), config);
  if (config.projected) projection_.emplace(p / "text_projection", config.hidden_size, config.projection_dim, false);
}

at::Tensor ClipTextEncoder::pooled_positions(const at::Tensor& ids) const {
  // Checkpoints written before the end token was recorded carry 2 there; their end token is the largest id.
  return config_.eos_token_id == 2 ? ids.argmax(-1) : ids.eq(config_.eos_token_id).to(at::kInt).argmax(-1);
}

ClipTextOutput ClipTextEncoder::forward(const at::Tensor& ids, const at::Tensor& mask,
                                        const ForwardHooks& hooks) const {
  const int64_t length = ids.size(1);
  at::Tensor x = tokens_(ids) + positions_(at::arange(length, ids.options()));
  const double minus = -3e38;  // fits bfloat16 as well as float32
  at::Tensor bias = at::full({length, length}, minus, x.options().requires_grad(false)).triu(1).view({1, 1, length, length});
  if (mask.defined()) {
    const at::Tensor ignored = mask.eq(0).view({mask.size(0), 1, 1, length});
    bias = bias.expand({mask.size(0), 1, length, length}).masked_fill(ignored, minus);
  }
  ClipTextOutput out;
  out.hidden.push_back(x);
  for (const Layer& layer : layers_) out.hidden.push_back(x = layer.forward(x, bias, hooks));
  out.last = final_norm_(x);
  const at::Tensor rows = pooled_positions(ids).view({-1, 1, 1}).expand({-1, 1, out.last.size(2)});
  out.pooled = out.last.gather(1, rows).squeeze(1);
  if (projection_) out.projected = (*projection_)(out.pooled);
  return out;
}

}  // namespace safelight
