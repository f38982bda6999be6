#include "engine/weights/layers.h"

#include <ATen/ATen.h>

#include <mutex>

#include "engine/tensor/fused.h"
#include "engine/tensor/products.h"
#include "engine/tensor/work.h"
#include "engine/weights/packed.h"

namespace safelight {

Linear::Linear(const ParameterScope& p, int64_t in, int64_t out, bool bias, Init init)
    : weight_(p.create("weight", {out, in}, init)), packed_(p.may_stay_packed()), in_(in), out_(out) {
  if (bias) bias_ = p.create("bias", {out}, Init::zeros);
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  const WorkSpan work(Work::linear, 2.0 * static_cast<double>(x.numel()) * static_cast<double>(out_));
  const at::Tensor weight = packed_->type ? unpacked(weight_, *packed_->type, {out_, in_}, x.scalar_type()) : weight_;
  return linear(x, weight, bias_);
}

struct Conv2d::Packed {
  std::once_flag once;
  at::Tensor weight;   // undefined where the library has no order of its own
};

Conv2d::Conv2d(const ParameterScope& p, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
               Init init, bool bias)
    : weight_(p.create("weight", {out, in, kernel, kernel}, init)),
      in_(in),
      out_(out),
      kernel_(kernel),
      stride_(stride),
      padding_(padding < 0 ? kernel / 2 : padding),
      frozen_(p.frozen()),
      packed_(std::make_shared<Packed>()) {
  if (bias) bias_ = p.create("bias", {out}, Init::zeros);
}

const at::Tensor* Conv2d::packed_for(const at::Tensor& x) const {
  constexpr int64_t kLarge = 640 * 640 * 9;   // numbers; from here on one order is kept, whatever the size of the picture
  constexpr int64_t kSmallMap = 16 * 16;      // on larger maps, putting a small weight in order is lost in the work
  const bool large = in_ * out_ * kernel_ * kernel_ >= kLarge;
  if (!*frozen_ || !x.is_cpu() || (!large && (at::GradMode::is_enabled() || x.size(2) * x.size(3) > kSmallMap))) return nullptr;
  std::call_once(packed_->once, [&] {
    packed_->weight = packed_for_convolution(weight_, stride_, padding_);
    at::Tensor handle = weight_;
    if (large && packed_->weight.defined()) {
      handle.set_data(at::empty({0}, weight_.options()));
      return_freed_memory();
    }
  });
  return packed_->weight.defined() ? &packed_->weight : nullptr;
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  const int64_t rows = (x.size(2) + 2 * padding_ - kernel_) / stride_ + 1, columns = (x.size(3) + 2 * padding_ - kernel_) / stride_ + 1;
  const WorkSpan work(Work::convolution, 2.0 * static_cast<double>(in_ * out_ * kernel_ * kernel_) * static_cast<double>(x.size(0) * rows * columns));
  if (const at::Tensor* packed = packed_for(x)) {
    // The library differentiates no convolution with a weight in its own order.
    if (at::GradMode::is_enabled() && x.requires_grad()) return at::conv2d(x, packed->to_dense(), bias_, stride_, padding_);
    return convolve_packed(x, *packed, bias_, stride_, padding_);
  }
  return at::conv2d(x, weight_, bias_, stride_, padding_);
}

GroupNorm::GroupNorm(const ParameterScope& p, int64_t groups, int64_t channels, double eps)
    : weight_(p.create("weight", {channels}, Init::ones)),
      bias_(p.create("bias", {channels}, Init::zeros)),
      groups_(groups),
      eps_(eps) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return group_norm(x, groups_, weight_, bias_, eps_);
}

at::Tensor GroupNorm::silu(const at::Tensor& x) const { return group_norm_silu(x, groups_, weight_, bias_, eps_); }

LayerNorm::LayerNorm(const ParameterScope& p, int64_t width, double eps)
    : weight_(p.create("weight", {width}, Init::ones)), bias_(p.create("bias", {width}, Init::zeros)), eps_(eps) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return layer_norm(x, weight_, bias_, eps_);
}

RmsNorm::RmsNorm(const ParameterScope& p, int64_t width, double eps) : weight_(p.create("weight", {width}, Init::ones)), eps_(eps) {}

at::Tensor RmsNorm::operator()(const at::Tensor& x) const {
  const at::Tensor wide = x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + eps_)).to(x.scalar_type()) * weight_;
}

Embedding::Embedding(const ParameterScope& p, int64_t count, int64_t width)
    : weight_(p.create("weight", {count, width}, Init::normal_002)) {}

at::Tensor Embedding::operator()(const at::Tensor& ids) const { return at::embedding(weight_, ids); }

}  // namespace safelight
