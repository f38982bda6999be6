// The leaf layers, with parameters named as in checkpoints. Each holds handles only; copying one copies handles.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/weights/parameters.h"

namespace safelight {

// y = x W^T + b; weight [out, in].
class Linear {
 public:
  Linear(const ParameterScope& p, int64_t in, int64_t out, bool bias = true, Init init = Init::fan_in);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  std::shared_ptr<const PackedForm> packed_;
  int64_t in_, out_;
};

// x [N,in,h,w]; weight [out,in,k,k]. Padding is symmetric; -1 means "same" for odd kernels.
// Frozen weights (Parameters::freeze) are put in the library's own order once, at the first use.
class Conv2d {
 public:
  Conv2d(const ParameterScope& p, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = -1,
         Init init = Init::fan_in, bool bias = true);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  struct Packed;
  // Null where the weight serves as it is.
  const at::Tensor* packed_for(const at::Tensor& x) const;
  at::Tensor weight_, bias_;
  int64_t in_, out_, kernel_, stride_, padding_;
  std::shared_ptr<const bool> frozen_;
  std::shared_ptr<Packed> packed_;
};

class GroupNorm {
 public:
  GroupNorm(const ParameterScope& p, int64_t groups, int64_t channels, double eps);
  at::Tensor operator()(const at::Tensor& x) const;
  at::Tensor silu(const at::Tensor& x) const;  // silu(norm(x)) in one pass

 private:
  at::Tensor weight_, bias_;
  int64_t groups_;
  double eps_;
};

// Over the last dimension.
class LayerNorm {
 public:
  LayerNorm(const ParameterScope& p, int64_t width, double eps = 1e-5);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_, bias_;
  double eps_;
};

// x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich, arXiv:1910.07467), in float32.
class RmsNorm {
 public:
  RmsNorm(const ParameterScope& p, int64_t width, double eps);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor weight_;
  double eps_;
};

// weight [count, width]; ids int64 of any shape -> [..., width].
class Embedding {
 public:
  Embedding(const ParameterScope& p, int64_t count, int64_t width);
  at::Tensor operator()(const at::Tensor& ids) const;

 private:
  at::Tensor weight_;
};

}  // namespace safelight
