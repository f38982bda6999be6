#include "engine/denoisers/dit_layers.h"

#include <ATen/ATen.h>

#include "engine/denoisers/unet_layers.h"
#include "engine/tensor/attention.h"

namespace safelight {
namespace {

constexpr double kNormEps = 1e-6;

}  // namespace

EmbeddingMlp::EmbeddingMlp(const ParameterScope& p, int64_t in, int64_t width) : first_(p / "linear_1", in, width), second_(p / "linear_2", width, width) {}

at::Tensor EmbeddingMlp::operator()(const at::Tensor& x) const { return second_(at::silu(first_(x))); }

at::Tensor TimeEmbedding::operator()(const at::Tensor& t, at::ScalarType dtype) const {
  return mlp_(sinusoidal_embedding(t.to(at::kFloat), kFrequencies, true, 0).to(dtype));
}

std::vector<at::Tensor> Modulation::operator()(const at::Tensor& embedding) const {
  return linear_(at::silu(embedding)).unsqueeze(1).chunk(count_, -1);
}

at::Tensor modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, kNormEps) * (1 + scale) + shift;
}

GeluFeedForward::GeluFeedForward(const ParameterScope& p, int64_t width) : in_(p / "net.0.proj", width, 4 * width), out_(p / "net.2", 4 * width, width) {}

at::Tensor GeluFeedForward::operator()(const at::Tensor& x) const { return out_(at::gelu(in_(x), "tanh")); }

at::Tensor FinalModulation::operator()(const at::Tensor& x, const at::Tensor& embedding) const {
  const std::vector<at::Tensor> m = modulation_(embedding);
  return modulated(x, m[1], m[0]);
}

StreamProjections::StreamProjections(const ParameterScope& p, const char* q_name, const char* k_name, const char* v_name, int64_t in, int64_t width)
    : q(p / q_name, in, width), k(p / k_name, in, width), v(p / v_name, in, width) {}

void StreamProjections::add_norms(const ParameterScope& p, const char* q_name, const char* k_name, int64_t head_dim) {
  norm_q.emplace(p / q_name, head_dim, kNormEps);
  norm_k.emplace(p / k_name, head_dim, kNormEps);
}

void StreamProjections::operator()(const at::Tensor& x, int64_t heads, at::Tensor& q_out, at::Tensor& k_out, at::Tensor& v_out) const {
  q_out = split_heads(q(x), heads);
  k_out = split_heads(k(x), heads);
  v_out = split_heads(v(x), heads);
  if (norm_q) q_out = (*norm_q)(q_out);
  if (norm_k) k_out = (*norm_k)(k_out);
}

}  // namespace safelight
