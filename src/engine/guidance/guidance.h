// Two estimates -> one. Classifier-free guidance (Ho and Salimans, arXiv:2207.12598) in the reference's form.
#pragma once

#include <ATen/core/Tensor.h>

namespace safelight {

// u + w (c - u); all [N,C,h,w]. w = 1 needs no unconditional estimate; then `uncond` may be undefined.
at::Tensor classifier_free_guidance(const at::Tensor& cond, const at::Tensor& uncond, double w);

// Moves the standard deviation of the guided estimate towards that of the conditional one, per image, by `share`
// (Lin et al., arXiv:2305.08891, section 3.4). share in [0,1]; 0 changes nothing.
at::Tensor rescale_guided(const at::Tensor& guided, const at::Tensor& cond, double share);

}  // namespace safelight
