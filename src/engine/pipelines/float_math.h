// exp and log for loops over attention maps, sixteen values at once: the C library's functions, one value at a time, cost
// more than the attention that they describe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// One build for every processor, with a wider copy of the loop where the machine has it. Sanitizers instrument the
// resolver before they are ready for it, hence not there.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SAFELIGHT_WIDE __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SAFELIGHT_WIDE
#endif

namespace safelight {

// Sixteen floats at once in the compiler's own vector type, which it splits for narrower machines.
using Lanes = float __attribute__((vector_size(64)));
using IntLanes = std::int32_t __attribute__((vector_size(64)));
inline constexpr std::size_t kLanes = 16;

#define SAFELIGHT_INLINE __attribute__((always_inline)) inline

SAFELIGHT_INLINE void load(Lanes& out, const float* p) { std::memcpy(&out, p, sizeof(out)); }
SAFELIGHT_INLINE void store(float* p, const Lanes& v) { std::memcpy(p, &v, sizeof(v)); }
SAFELIGHT_INLINE float sum_of(const Lanes& v) {
  float lanes[kLanes], sum = 0;
  store(lanes, v);
  for (const float x : lanes) sum += x;
  return sum;
}
SAFELIGHT_INLINE float largest_of(const Lanes& v) {
  float lanes[kLanes];
  store(lanes, v);
  float largest = lanes[0];
  for (const float x : lanes) largest = x > largest ? x : largest;
  return largest;
}

// x = exp(x) for x <= 0, relative error below 3e-6; 0 below -87. Cody and Waite's reduction, Taylor to degree six.
SAFELIGHT_INLINE void exp_of_negative(Lanes& x) {
  const IntLanes live = x >= -87.0f;
  const Lanes clipped = live ? x : Lanes{} - 87.0f;
  const IntLanes k = __builtin_convertvector(clipped * 1.44269504f - 0.5f, IntLanes);  // rounds negative numbers to nearest
  const Lanes n = __builtin_convertvector(k, Lanes);
  const Lanes r = clipped - n * 0.693359375f + n * 2.12194440e-4f;
  const Lanes p = 1 + r * (1 + r * (0.5f + r * (1.6666667e-1f + r * (4.1666668e-2f + r * (8.3333338e-3f + r * 1.3888889e-3f)))));
  const IntLanes power = (k + 127) << 23;
  Lanes scale;
  std::memcpy(&scale, &power, sizeof(scale));
  x = live ? p * scale : Lanes{};
}

// x = log(x) for normal x > 0, absolute error below 2e-6. The mantissa is brought to [sqrt(1/2), sqrt(2)); the series of
// atanh((m - 1) / (m + 1)) does the rest.
SAFELIGHT_INLINE void log_of_positive(Lanes& x) {
  IntLanes bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const IntLanes shifted = bits - 0x3f3504f3, k = shifted >> 23, mantissa = (shifted & 0x007fffff) + 0x3f3504f3;
  Lanes m;
  std::memcpy(&m, &mantissa, sizeof(m));
  const Lanes t = (m - 1) / (m + 1), s = t * t;
  x = __builtin_convertvector(k, Lanes) * 0.69314718f +
      2 * t * (1 + s * (0.33333333f + s * (0.2f + s * (0.14285714f + s * 0.11111111f))));
}

}  // namespace safelight
