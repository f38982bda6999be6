#include "engine/tensor/fused_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/tensor/row_math.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SAFELIGHT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SAFELIGHT_CLONES
#endif

namespace safelight::rows {
namespace {

constexpr int64_t kBlock = 2048;  // values summed in float32 before the sum goes into a float64

struct Sums {
  double x = 0, xx = 0;
};

// Of x - centre and of its square. Two halves, so that additions need not wait for each other.
SAFELIGHT_INLINE Sums sums_around(float centre, const float* x, int64_t n) {
  const int64_t half = n / 2;
  float a = 0, aa = 0, b = 0, bb = 0;
#pragma omp simd reduction(+ : a, aa, b, bb)
  for (int64_t i = 0; i < half; ++i) {
    const float p = x[i] - centre, q = x[half + i] - centre;
    a += p;
    aa += p * p;
    b += q;
    bb += q * q;
  }
  const float rest = n % 2 ? x[n - 1] - centre : 0.0f;
  return {.x = static_cast<double>(a) + b + rest, .xx = static_cast<double>(aa) + bb + rest * rest};
}

// Two values a word, since g++ 12 will not widen in a reduction to the longest registers.
SAFELIGHT_INLINE Sums sums_around(float centre, const Bf16* x, int64_t n) {
  const int64_t half = n / 2;
  float a = 0, aa = 0, b = 0, bb = 0;
#pragma omp simd reduction(+ : a, aa, b, bb)
  for (int64_t i = 0; i < half; ++i) {
    std::uint32_t both;
    std::memcpy(&both, x + 2 * i, sizeof both);
    const float p = std::bit_cast<float>(both << 16) - centre, q = std::bit_cast<float>(both & 0xffff0000u) - centre;
    a += p;
    aa += p * p;
    b += q;
    bb += q * q;
  }
  const float rest = n % 2 ? wide(x[n - 1]) - centre : 0.0f;
  return {.x = static_cast<double>(a) + b + rest, .xx = static_cast<double>(aa) + bb + rest * rest};
}

struct Moments {
  double mean = 0, squares = 0;  // squares: the sum of (x - mean)^2
};

// One pass around the first value, and another around the mean where the first lies so far from it that digits cancel.
template <class T>
SAFELIGHT_INLINE Moments block_moments(const T* x, int64_t n) {
  const double share = 1.0 / static_cast<double>(n);
  float centre = wide(x[0]);
  Sums s = sums_around(centre, x, n);
  if (s.x * s.x * share > 0.9 * s.xx) {
    centre += static_cast<float>(s.x * share);
    s = sums_around(centre, x, n);
  }
  return {.mean = centre + s.x * share, .squares = s.xx - s.x * s.x * share};
}

// Blocks are joined as in Chan, Golub and LeVeque (1983).
template <class T>
SAFELIGHT_INLINE Moments moments(const T* x, int64_t n) {
  Moments m = block_moments(x, std::min(kBlock, n));
  for (int64_t begin = kBlock; begin < n; begin += kBlock) {
    const int64_t length = std::min(kBlock, n - begin);
    const Moments block = block_moments(x + begin, length);
    const double share = static_cast<double>(length) / static_cast<double>(begin + length);
    const double delta = block.mean - m.mean;
    m.mean += delta * share;
    m.squares += block.squares + delta * delta * share * static_cast<double>(begin);
  }
  return m;
}

template <bool kSilu, class T>
SAFELIGHT_INLINE void put(T& y, float v) {
  store(y, kSilu ? silu(v) : v);
}

template <bool kSilu, class T>
SAFELIGHT_INLINE void forward_rows(const NormForward<T>& f, int64_t begin, int64_t end) {
  const NormShape& s = f.call.shape;
  const int64_t length = s.row_length(), pixels = s.pixels;
  for (int64_t row = begin; row < end; ++row) {
    const float* weight = f.call.weight + row % s.groups * s.channels;
    const float* bias = f.call.bias + row % s.groups * s.channels;
    const T* x = f.x + row * length;
    T* y = f.y + row * length;
    const Moments m = moments(x, length);
    const auto mean = static_cast<float>(m.mean);
    const float rstd = 1.0f / std::sqrt(static_cast<float>(m.squares / static_cast<double>(length) + f.eps));
    if (f.mean) f.mean[row] = mean;
    if (f.rstd) f.rstd[row] = rstd;
    if (pixels == 1) {
#pragma omp simd
      for (int64_t i = 0; i < length; ++i) put<kSilu>(y[i], (wide(x[i]) - mean) * (rstd * weight[i]) + bias[i]);
      continue;
    }
    for (int64_t c = 0; c < s.channels; ++c, x += pixels, y += pixels) {
      const float scale = rstd * weight[c], shift = bias[c];
#pragma omp simd
      for (int64_t i = 0; i < pixels; ++i) put<kSilu>(y[i], (wide(x[i]) - mean) * scale + shift);
    }
  }
}

struct BackwardRow {
  const float* x;
  const float* dy;
  const float* weight;
  const float* bias;
  float* dweight;
  float* dbias;
  float* scaled;  // written: weight * dz, where z is what silu is applied to; may be dy
  float mean, rstd;
};

// Both return the sums over a row of weight * dz and of weight * dz * xhat.
template <bool kSilu>
SAFELIGHT_INLINE Sums backward_values(const BackwardRow& r, int64_t length) {
  Sums sums;
  for (int64_t begin = 0; begin < length; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, length);
    float sum = 0, sum_xhat = 0;
#pragma omp simd reduction(+ : sum, sum_xhat)
    for (int64_t i = begin; i < end; ++i) {
      const float xhat = (r.x[i] - r.mean) * r.rstd;
      float dz = r.dy[i];
      if constexpr (kSilu) dz *= silu_slope(xhat * r.weight[i] + r.bias[i]);
      r.dweight[i] += dz * xhat;
      r.dbias[i] += dz;
      const float scaled = dz * r.weight[i];
      r.scaled[i] = scaled;
      sum += scaled;
      sum_xhat += scaled * xhat;
    }
    sums.x += sum;
    sums.xx += sum_xhat;
  }
  return sums;
}

template <bool kSilu>
SAFELIGHT_INLINE Sums backward_channels(const BackwardRow& r, const NormShape& s) {
  Sums sums;
  for (int64_t c = 0; c < s.channels; ++c) {
    const float weight = r.weight[c], bias = r.bias[c];
    Sums channel;
    for (int64_t begin = c * s.pixels; begin < (c + 1) * s.pixels; begin += kBlock) {
      const int64_t end = std::min(begin + kBlock, (c + 1) * s.pixels);
      float sum = 0, sum_xhat = 0;
#pragma omp simd reduction(+ : sum, sum_xhat)
      for (int64_t i = begin; i < end; ++i) {
        const float xhat = (r.x[i] - r.mean) * r.rstd;
        float dz = r.dy[i];
        if constexpr (kSilu) dz *= silu_slope(xhat * weight + bias);
        r.scaled[i] = dz * weight;
        sum += dz;
        sum_xhat += dz * xhat;
      }
      channel.x += sum;
      channel.xx += sum_xhat;
    }
    r.dbias[c] += static_cast<float>(channel.x);
    r.dweight[c] += static_cast<float>(channel.xx);
    sums.x += weight * channel.x;
    sums.xx += weight * channel.xx;
  }
  return sums;
}

// In float32, or a copy in it: g++ 12 will not widen in a loop that sums to the longest registers.
SAFELIGHT_INLINE const float* widened(const float* from, int64_t, float*) { return from; }
SAFELIGHT_INLINE const float* widened(const Bf16* from, int64_t n, float* room) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) room[i] = wide(from[i]);
  return room;
}

template <bool kSilu, class T>
SAFELIGHT_INLINE void backward_row(const NormBackward<T>& b, int64_t row, int64_t task, float* scratch) {
  const NormShape& s = b.call.shape;
  const int64_t group = task % s.groups, length = s.row_length(), at = row * length;
  const BackwardRow r{.x = widened(b.x + at, length, scratch),
                      .dy = widened(b.dy + at, length, scratch + length),
                      .weight = b.call.weight + group * s.channels,
                      .bias = b.call.bias + group * s.channels,
                      .dweight = b.dweight + task * s.channels,
                      .dbias = b.dbias + task * s.channels,
                      .scaled = scratch + length,
                      .mean = b.mean[row],
                      .rstd = b.rstd[row]};
  const Sums sums = s.pixels == 1 ? backward_values<kSilu>(r, length) : backward_channels<kSilu>(r, s);
  if (!b.dx) return;
  T* dx = b.dx + at;
  const auto mean = static_cast<float>(sums.x / static_cast<double>(length));
  const auto slope = static_cast<float>(sums.xx / static_cast<double>(length)) * r.rstd;
#pragma omp simd
  for (int64_t i = 0; i < length; ++i) store(dx[i], r.rstd * (r.scaled[i] - mean - (r.x[i] - r.mean) * slope));
}

template <bool kSilu, class T>
SAFELIGHT_INLINE void backward_tasks(const NormBackward<T>& b, int64_t begin, int64_t end, float* scratch) {
  const NormShape& s = b.call.shape;
  for (int64_t task = begin; task < end; ++task) {
    const int64_t chunk = task / s.groups, group = task % s.groups;
    std::fill_n(b.dweight + task * s.channels, s.channels, 0.0f);
    std::fill_n(b.dbias + task * s.channels, s.channels, 0.0f);
    const int64_t last = std::min((chunk + 1) * b.chunk, s.batch);
    for (int64_t item = chunk * b.chunk; item < last; ++item)
      backward_row<kSilu>(b, item * s.groups + group, task, scratch);
  }
}

template <class T>
SAFELIGHT_INLINE void geglu_rows(const Geglu<T>& g, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* a = g.x + row * 2 * g.half;
    const T* b = a + g.half;
    T* y = g.y + row * g.half;
#pragma omp simd
    for (int64_t i = 0; i < g.half; ++i) store(y[i], wide(a[i]) * (wide(b[i]) * normal_cdf(wide(b[i])).cdf));
  }
}

template <class T>
SAFELIGHT_INLINE void geglu_backward_rows(const Geglu<T>& g, int64_t begin, int64_t end) {
  constexpr float kInvSqrtTwoPi = 0.39894228f;
  for (int64_t row = begin; row < end; ++row) {
    const T* a = g.x + row * 2 * g.half;
    const T* b = a + g.half;
    const T* dy = g.dy + row * g.half;
    T* da = g.dx + row * 2 * g.half;
    T* db = da + g.half;
#pragma omp simd
    for (int64_t i = 0; i < g.half; ++i) {
      const float v = wide(b[i]), d = wide(dy[i]);
      const NormalCdf n = normal_cdf(v);
      store(da[i], d * (v * n.cdf));
      store(db[i], d * wide(a[i]) * (n.cdf + v * n.density * kInvSqrtTwoPi));
    }
  }
}

constexpr float kQuick = 1.702f;  // x sigmoid(k x) = silu(k x) / k, and its slope is silu's at k x

template <class T>
SAFELIGHT_INLINE void quick_gelu_values(const T* x, T* y, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) store(y[i], silu(kQuick * wide(x[i])) * (1.0f / kQuick));
}

template <class T>
SAFELIGHT_INLINE void quick_gelu_slopes(const T* x, const T* dy, T* dx, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) store(dx[i], wide(dy[i]) * silu_slope(kQuick * wide(x[i])));
}

}  // namespace

SAFELIGHT_CLONES void norm_forward(const NormForward<float>& f, int64_t begin, int64_t end) {
  f.call.silu ? forward_rows<true>(f, begin, end) : forward_rows<false>(f, begin, end);
}
SAFELIGHT_CLONES void norm_forward(const NormForward<Bf16>& f, int64_t begin, int64_t end) {
  f.call.silu ? forward_rows<true>(f, begin, end) : forward_rows<false>(f, begin, end);
}

SAFELIGHT_CLONES void norm_backward(const NormBackward<float>& b, int64_t begin, int64_t end, float* scratch) {
  b.call.silu ? backward_tasks<true>(b, begin, end, scratch) : backward_tasks<false>(b, begin, end, scratch);
}
SAFELIGHT_CLONES void norm_backward(const NormBackward<Bf16>& b, int64_t begin, int64_t end, float* scratch) {
  b.call.silu ? backward_tasks<true>(b, begin, end, scratch) : backward_tasks<false>(b, begin, end, scratch);
}

SAFELIGHT_CLONES void sum_partials(const float* partial, int64_t count, int64_t width, double* out) {
  std::fill_n(out, width, 0.0);
  for (int64_t i = 0; i < count; ++i, partial += width) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) out[j] += partial[j];
  }
}

SAFELIGHT_CLONES void geglu_forward(const Geglu<float>& g, int64_t begin, int64_t end) { geglu_rows(g, begin, end); }
SAFELIGHT_CLONES void geglu_forward(const Geglu<Bf16>& g, int64_t begin, int64_t end) { geglu_rows(g, begin, end); }

SAFELIGHT_CLONES void geglu_backward(const Geglu<float>& g, int64_t begin, int64_t end) {
  geglu_backward_rows(g, begin, end);
}
SAFELIGHT_CLONES void geglu_backward(const Geglu<Bf16>& g, int64_t begin, int64_t end) {
  geglu_backward_rows(g, begin, end);
}

SAFELIGHT_CLONES void quick_gelu_forward(const float* x, float* y, int64_t begin, int64_t end) { quick_gelu_values(x, y, begin, end); }
SAFELIGHT_CLONES void quick_gelu_forward(const Bf16* x, Bf16* y, int64_t begin, int64_t end) { quick_gelu_values(x, y, begin, end); }
SAFELIGHT_CLONES void quick_gelu_backward(const float* x, const float* dy, float* dx, int64_t begin, int64_t end) {
  quick_gelu_slopes(x, dy, dx, begin, end);
}
SAFELIGHT_CLONES void quick_gelu_backward(const Bf16* x, const Bf16* dy, Bf16* dx, int64_t begin, int64_t end) {
  quick_gelu_slopes(x, dy, dx, begin, end);
}

}  // namespace safelight::rows
