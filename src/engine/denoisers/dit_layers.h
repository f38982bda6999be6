// What diffusion transformers share: modulated norms (Peebles and Xie, arXiv:2212.09748), embeddings, feed-forward.
#pragma once

#include <optional>

#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

// linear_2(silu(linear_1(x))).
class EmbeddingMlp {
 public:
  EmbeddingMlp(const ParameterScope& p, int64_t in, int64_t width);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Linear first_, second_;
};

// Sines and cosines of t (training scale, [B]) through an EmbeddingMlp; computed in float32.
class TimeEmbedding {
 public:
  TimeEmbedding(const ParameterScope& p, int64_t width) : mlp_(p, kFrequencies, width) {}
  at::Tensor operator()(const at::Tensor& t, at::ScalarType dtype) const;

 private:
  static constexpr int64_t kFrequencies = 256;
  EmbeddingMlp mlp_;
};

// `count` vectors of `width` from the conditioning embedding [B,width], each [B,1,width].
class Modulation {
 public:
  Modulation(const ParameterScope& p, int64_t width, int64_t count) : linear_(p / "linear", width, count * width), count_(count) {}
  std::vector<at::Tensor> operator()(const at::Tensor& embedding) const;

 private:
  Linear linear_;
  int64_t count_;
};

// Layer norm without parameters, then x * (1 + scale) + shift.
at::Tensor modulated(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale);

// Two linears with a tanh-approximated GELU between: the net.0.proj and net.2 of checkpoints.
class GeluFeedForward {
 public:
  GeluFeedForward(const ParameterScope& p, int64_t width);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Linear in_, out_;
};

// The last norm: scale and shift from the embedding, in that order.
class FinalModulation {
 public:
  FinalModulation(const ParameterScope& p, int64_t width) : modulation_(p, width, 2) {}
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& embedding) const;

 private:
  Modulation modulation_;
};

// Projections of one stream of tokens to queries, keys and values, with optional norms per head.
struct StreamProjections {
  StreamProjections(const ParameterScope& p, const char* q_name, const char* k_name, const char* v_name, int64_t in, int64_t width);
  void add_norms(const ParameterScope& p, const char* q_name, const char* k_name, int64_t head_dim);
  // [B,T,in] -> three of [B,heads,T,head_dim].
  void operator()(const at::Tensor& x, int64_t heads, at::Tensor& q_out, at::Tensor& k_out, at::Tensor& v_out) const;

  Linear q, k, v;
  std::optional<RmsNorm> norm_q, norm_k;
};

}  // namespace safelight
