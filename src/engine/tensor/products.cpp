#include "engine/tensor/products.h"

#include <ATen/ATen.h>

#include "engine/tensor/plain.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef SAFELIGHT_WITH_DNNL
#include <dnnl.h>
#endif

namespace safelight {
namespace {

#ifdef SAFELIGHT_WITH_DNNL
// Plain rows of float32 of which no gradient is recorded.
bool is_plain(const at::Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous() && !(at::GradMode::is_enabled() && t.requires_grad()); }

// Undefined when oneDNN refuses.
at::Tensor dnnl_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t in = weight.size(1), out = weight.size(0), rows = x.numel() / in;
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = out;
  at::Tensor y = at::empty(shape, x.options());
  if (bias.defined()) y.view({rows, out}).copy_(bias.unsqueeze(0).expand({rows, out}));
  const dnnl_status_t status =
      dnnl_sgemm('N', 'T', rows, out, in, 1.0f, x.data_ptr<float>(), in, weight.data_ptr<float>(), in, bias.defined() ? 1.0f : 0.0f, y.data_ptr<float>(), out);
  return status == dnnl_success ? y : at::Tensor();
}
#endif

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
#ifdef SAFELIGHT_WITH_DNNL
  if (!PlainKernels::wanted() && x.dim() > 0 && x.numel() > 0 && weight.dim() == 2 && x.size(-1) == weight.size(1) && is_plain(weight) && (!bias.defined() || is_plain(bias))) {
    const at::Tensor rows = x.contiguous();
    if (is_plain(rows))
      if (at::Tensor y = dnnl_linear(rows, weight, bias); y.defined()) return y;
  }
#endif
  return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

at::Tensor packed_for_convolution(const at::Tensor& weight, int64_t stride, int64_t padding) {
  const bool fits = weight.is_cpu() && at::hasMKLDNN() && (weight.scalar_type() == at::kFloat || weight.scalar_type() == at::kBFloat16);
  if (!fits) return {};
  try {
    return at::mkldnn_reorder_conv2d_weight(weight.contiguous().to_mkldnn(), {padding, padding}, {stride, stride}, {1, 1}, 1);
  } catch (const c10::Error&) {   // bfloat16 on a processor that oneDNN does not support it on
    return {};
  }
}

void return_freed_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

at::Tensor convolve_packed(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias, int64_t stride, int64_t padding) {
  return at::mkldnn_convolution(x.contiguous(), packed, bias, {padding, padding}, {stride, stride}, {1, 1}, 1);
}

}  // namespace safelight
