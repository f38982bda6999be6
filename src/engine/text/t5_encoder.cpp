#include "engine/text/t5_encoder.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "engine/tensor/attention.h"
#include "engine/weights/config_reader.h"

namespace safelight {

T5Config T5Config::from_json(const Json& json, const std::string& where) {
  T5Config c;
  const ConfigReader read(json, where);
  for (const auto& [key, value] : {std::pair{"vocab_size", &c.vocab_size}, {"d_model", &c.d_model}, {"d_kv", &c.d_kv}, {"d_ff", &c.d_ff},
                                   {"num_layers", &c.num_layers}, {"num_heads", &c.num_heads}, {"relative_attention_num_buckets", &c.buckets},
                                   {"relative_attention_max_distance", &c.max_distance}}) {
    read(key, *value);
    read.positive(key, *value);
  }
  read("layer_norm_epsilon", c.eps);
  std::string feed_forward = "gated-gelu";
  read("feed_forward_proj", feed_forward);
  read.one_of("feed_forward_proj", feed_forward, {"gated-gelu", "relu"});
  c.gated = feed_forward == "gated-gelu";
  if (c.buckets < 4 || c.buckets % 4 != 0 || c.max_distance <= c.buckets / 4)
    read.fail("relative_attention_num_buckets", "must be a multiple of 4, and the largest distance more than a quarter of it");
  return c;
}

T5Encoder::Layer::Layer(const ParameterScope& p, const T5Config& c, bool first)
    : path(p.path()),
      norm1(p / "layer.0.layer_norm", c.d_model, c.eps),
      q(p / "layer.0.SelfAttention.q", c.d_model, c.num_heads * c.d_kv, false),
      k(p / "layer.0.SelfAttention.k", c.d_model, c.num_heads * c.d_kv, false),
      v(p / "layer.0.SelfAttention.v", c.d_model, c.num_heads * c.d_kv, false),
      o(p / "layer.0.SelfAttention.o", c.num_heads * c.d_kv, c.d_model, false),
      norm2(p / "layer.1.layer_norm", c.d_model, c.eps),
      out(p / "layer.1.DenseReluDense.wo", c.d_ff, c.d_model, false) {
  const ParameterScope dense = p / "layer.1.DenseReluDense";
  if (first) bias.emplace(p / "layer.0.SelfAttention.relative_attention_bias", c.buckets, c.num_heads);
  if (c.gated) gate.emplace(dense / "wi_0", c.d_model, c.d_ff, false);
  wide.emplace(dense / (c.gated ? "wi_1" : "wi"), c.d_model, c.d_ff, false);
}

T5Encoder::T5Encoder(const ParameterScope& p, const T5Config& c)
    : config_(c), tokens_(p / "shared", c.vocab_size, c.d_model), final_norm_(p / "encoder.final_layer_norm", c.d_model, c.eps) {
  for (int64_t i = 0; i < c.num_layers; ++i) layers_.emplace_back(p / "encoder.block" / static_cast<std::size_t>(i), c, i == 0);
}

// Distances fall into buckets: exact ones up to a quarter of their number in each direction, then in steps of equal ratio.
at::Tensor T5Encoder::position_bias(int64_t length, at::Device device) const {
  const int64_t half = config_.buckets / 2, exact = half / 2;
  std::vector<int64_t> ids;
  for (int64_t query = 0; query < length; ++query)
    for (int64_t key = 0; key < length; ++key) {
      const int64_t distance = std::abs(key - query);
      int64_t bucket = distance;
      if (distance >= exact) {
        const float share = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                            static_cast<float>(std::log(static_cast<double>(config_.max_distance) / static_cast<double>(exact)));
        bucket = std::min(half - 1, exact + static_cast<int64_t>(share * static_cast<float>(half - exact)));
      }
      ids.push_back(bucket + (key > query ? half : 0));
    }
  return (*layers_.front().bias)(at::tensor(ids, at::kLong).view({length, length}).to(device)).permute({2, 0, 1}).unsqueeze(0);
}

at::Tensor T5Encoder::forward(const at::Tensor& ids, const at::Tensor& mask, const ForwardHooks& hooks) const {
  at::Tensor x = tokens_(ids);
  at::Tensor bias = position_bias(ids.size(1), ids.device());
  if (mask.defined()) {
    const at::Tensor ignored = mask.eq(0).view({mask.size(0), 1, 1, mask.size(1)});
    bias = bias + at::zeros(ignored.sizes(), bias.options()).masked_fill(ignored, -3e38);
  }
  for (const Layer& layer : layers_) {
    const at::Tensor n = layer.norm1(x);
    const auto heads = [&](const Linear& w) { return split_heads(w(n), config_.num_heads); };
    x = x + layer.o(attention({.layer = layer.path, .cross = false, .q = heads(layer.q), .k = heads(layer.k), .v = heads(layer.v), .scale = 1.0, .bias = bias}, hooks));
    const at::Tensor m = layer.norm2(x);
    at::Tensor h = (*layer.wide)(m);
    h = layer.gate ? at::gelu((*layer.gate)(m), "tanh") * h : at::relu(h);
    x = hooks.block(layer.path, x + layer.out(h));
  }
  return final_norm_(x);
}

}  // namespace safelight
