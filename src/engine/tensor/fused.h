// Normalisations and the gated activation in one pass over memory each, for training and inference on the CPU, where
// libtorch's own are several times slower in bfloat16. Differentiable once: a second derivative throws `unsupported`.
// float32 and bfloat16 with weights of the same type are computed here, in float32 inside, with contiguous results that
// do not depend on the number of threads; everything else (other devices, other types, empty tensors) goes to libtorch.
#pragma once

#include <ATen/core/Tensor.h>

namespace safelight {

// x [N,C,...]; weight, bias [C] (Wu and He, arXiv:1803.08494).
at::Tensor group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias,
                      double eps);

// silu(group_norm(x)), rounded once.
at::Tensor group_norm_silu(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias,
                           double eps);

// Over the last dimension; weight, bias of its size (Ba et al., arXiv:1607.06450).
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

// a * gelu(b) for x [..., 2 n] = (a, b) along the last dimension, with the exact gelu (Shazeer, arXiv:2002.05202).
at::Tensor geglu(const at::Tensor& x);

// x sigmoid(1.702 x), the activation of CLIP's text towers (Hendrycks and Gimpel, arXiv:1606.08415).
at::Tensor quick_gelu(const at::Tensor& x);

}  // namespace safelight
