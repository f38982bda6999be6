#include "engine/schedulers/convert.h"

#include <ATen/ATen.h>

namespace safelight {

at::Tensor Converter::eps(const at::Tensor& raw, const at::Tensor& x, const Node& n) const {
  switch (config_.prediction) {
    case Prediction::epsilon: return raw;
    case Prediction::v_prediction: return n.alpha * raw + n.sigma * x;  // Salimans and Ho, arXiv:2202.00512
    case Prediction::sample: return (x - n.alpha * raw) / n.sigma;
    case Prediction::flow: return x + n.alpha * raw;  // Lipman et al., arXiv:2210.02747
    case Prediction::edm: return n.sigma * x - n.alpha * raw;
  }
  return raw;
}

at::Tensor Converter::x0(const at::Tensor& raw, const at::Tensor& x, const Node& n) const {
  switch (config_.prediction) {
    case Prediction::epsilon: return (x - n.sigma * raw) / n.alpha;
    case Prediction::v_prediction: return n.alpha * x - n.sigma * raw;
    case Prediction::sample: return raw;
    case Prediction::flow: return x - n.sigma * raw;
    case Prediction::edm: return n.alpha * x + n.sigma * raw;
  }
  return raw;
}

at::Tensor Converter::raw_of(const at::Tensor& x0, const at::Tensor& x, const Node& n) const {
  switch (config_.prediction) {
    case Prediction::epsilon: return (x - n.alpha * x0) / n.sigma;
    case Prediction::v_prediction: return (n.alpha * x - x0) / n.sigma;
    case Prediction::sample: return x0;
    case Prediction::flow: return (x - x0) / n.sigma;
    case Prediction::edm: return (x0 - n.alpha * x) / n.sigma;
  }
  return x0;
}

at::Tensor Converter::limited(const at::Tensor& x0) const {
  if (config_.thresholding) {
    const at::Tensor flat = x0.flatten(1).abs();
    at::Tensor s = at::quantile(flat, config_.dynamic_thresholding_ratio, 1);
    s = s.clamp(1.0, config_.sample_max_value).view({-1, 1, 1, 1});
    return at::max(at::min(x0, s), -s) / s;
  }
  return config_.clip_sample ? x0.clamp(-config_.clip_sample_range, config_.clip_sample_range) : x0;
}

Estimate Converter::estimate(const at::Tensor& raw, const at::Tensor& x, const Node& node) const {
  return {raw, limited(x0(raw, x, node)), eps(raw, x, node)};
}

}  // namespace safelight
