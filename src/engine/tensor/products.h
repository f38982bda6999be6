// Products and convolutions of layers, by whatever is fastest here.
#pragma once

#include <ATen/core/Tensor.h>

namespace safelight {

// x W^T + b for x [..., in], weight [out, in], bias [out] or undefined; as at::linear. Where no gradient is wanted, float32 on the CPU goes through
// oneDNN: the BLAS of Debian's libtorch knows no recent processor, and its threads wait for each other beside any other busy process.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// A convolution's weight [out,in,k,k] in oneDNN's own order, or undefined where convolutions do not go through it (other devices and types).
at::Tensor packed_for_convolution(const at::Tensor& weight, int64_t stride, int64_t padding);
// Gives freed memory back to the system. For after large weights were put in another order: what the first order held is of other sizes than what comes
// next, so it would stay resident beside it.
void return_freed_memory();
// As at::conv2d with the weight from which `packed` was made: the same bytes, without putting the weight in order at every call.
at::Tensor convolve_packed(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias, int64_t stride, int64_t padding);

}  // namespace safelight
