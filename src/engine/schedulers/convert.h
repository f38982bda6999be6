// One model output, seen as clean image, noise or raw. The only place that knows what a prediction type means.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/schedulers/schedule.h"

namespace safelight {

struct Estimate {
  at::Tensor raw;  // the model's output after guidance, [N,C,h,w]
  at::Tensor x0;   // clean image, clipped or thresholded where the config asks for it
  at::Tensor eps;  // noise, of the unclipped estimate
};

class Converter {
 public:
  explicit Converter(const SchedulerConfig& config) : config_(config) {}
  // x: [N,C,h,w] at `node` in the variance-preserving scale. Where alpha is 0 only v and sample predictions give x0.
  Estimate estimate(const at::Tensor& raw, const at::Tensor& x, const Node& node) const;
  at::Tensor eps(const at::Tensor& raw, const at::Tensor& x, const Node& node) const;
  at::Tensor x0(const at::Tensor& raw, const at::Tensor& x, const Node& node) const;
  // The raw output that stands for a clean image: x0() the other way round.
  at::Tensor raw_of(const at::Tensor& x0, const at::Tensor& x, const Node& node) const;
  // Clipping, or dynamic thresholding (Saharia et al., arXiv:2205.11487), as configured.
  at::Tensor limited(const at::Tensor& x0) const;
  bool limits() const { return config_.clip_sample || config_.thresholding; }

 private:
  SchedulerConfig config_;
};

}  // namespace safelight
