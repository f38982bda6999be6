// The inner loops of fused.cpp: plain memory, one thread, a range of independent rows. Compiled for several widths of
// vector registers and chosen at run time. Values are float32 or bfloat16 in memory, float32 in registers, and sums
// over more than a block are kept in float64; what comes out depends on the row alone, never on who computes it.
#pragma once

#include <cstdint>

#include "engine/tensor/row_math.h"

namespace safelight::rows {

// x [batch, groups, channels, pixels]: one mean and deviation per (batch, group), one weight and bias per
// (group, channel). A layer norm has one group and one pixel.
struct NormShape {
  int64_t batch = 0, groups = 1, channels = 1, pixels = 1;
  int64_t rows() const { return batch * groups; }
  int64_t row_length() const { return channels * pixels; }
};

struct NormCall {
  NormShape shape;
  const float* weight = nullptr;  // [groups * channels]
  const float* bias = nullptr;
  bool silu = false;
};

template <class T>
struct NormForward {
  NormCall call;
  double eps = 0;
  const T* x = nullptr;
  T* y = nullptr;
  float* mean = nullptr;  // [rows] to be kept for the backward pass, or null
  float* rstd = nullptr;
};

// Rows [begin, end) of y = (x - mean) / sqrt(variance + eps) * weight + bias, then y * sigmoid(y) where asked.
void norm_forward(const NormForward<float>& f, int64_t begin, int64_t end);
void norm_forward(const NormForward<Bf16>& f, int64_t begin, int64_t end);

template <class T>
struct NormBackward {
  NormCall call;
  int64_t chunk = 1;  // batch items whose weight gradients are summed together
  const T* x = nullptr;
  const T* dy = nullptr;
  const float* mean = nullptr;
  const float* rstd = nullptr;
  T* dx = nullptr;           // or null
  float* dweight = nullptr;  // [ceil(batch / chunk), groups * channels] partial sums, written
  float* dbias = nullptr;
  int64_t tasks() const { return (call.shape.batch + chunk - 1) / chunk * call.shape.groups; }
};

// Tasks [begin, end), where task (k, g) is group g of the k-th chunk of the batch. `scratch` has room for two rows.
void norm_backward(const NormBackward<float>& b, int64_t begin, int64_t end, float* scratch);
void norm_backward(const NormBackward<Bf16>& b, int64_t begin, int64_t end, float* scratch);

// out[j] = sum over i of partial[i, j] for partial [count, width], in order.
void sum_partials(const float* partial, int64_t count, int64_t width, double* out);

template <class T>
struct Geglu {
  int64_t half = 0;
  const T* x = nullptr;   // [rows, 2 * half] = (a, b)
  T* y = nullptr;         // forward: a * gelu(b), [rows, half]
  const T* dy = nullptr;  // backward
  T* dx = nullptr;
};

void geglu_forward(const Geglu<float>& g, int64_t begin, int64_t end);
void geglu_forward(const Geglu<Bf16>& g, int64_t begin, int64_t end);
void geglu_backward(const Geglu<float>& g, int64_t begin, int64_t end);
void geglu_backward(const Geglu<Bf16>& g, int64_t begin, int64_t end);

// x sigmoid(1.702 x) of values [begin, end), and its gradient.
void quick_gelu_forward(const float* x, float* y, int64_t begin, int64_t end);
void quick_gelu_forward(const Bf16* x, Bf16* y, int64_t begin, int64_t end);
void quick_gelu_backward(const float* x, const float* dy, float* dx, int64_t begin, int64_t end);
void quick_gelu_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t begin, int64_t end);

}  // namespace safelight::rows
