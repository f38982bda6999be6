// Functions of one value for the loops of fused_rows.cpp: no branches, no calls, nothing a vectoriser stumbles over.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

// A helper that is not inlined would be compiled once, for the narrowest registers.
#define SAFELIGHT_INLINE [[gnu::always_inline]] inline

namespace safelight::rows {

using Bf16 = std::uint16_t;  // the bits of a bfloat16

SAFELIGHT_INLINE float wide(float v) { return v; }
SAFELIGHT_INLINE float wide(Bf16 v) { return std::bit_cast<float>(static_cast<std::uint32_t>(v) << 16); }

SAFELIGHT_INLINE void store(float& to, float v) { to = v; }
// To nearest, ties to even. A NaN stays one: it came from a bfloat16 or from the processor, so its low bits are zero.
SAFELIGHT_INLINE void store(Bf16& to, float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  to = static_cast<Bf16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// e^-|x| within 2e-7 relative: |x| = n ln2 - r, a polynomial in r (relative minimax fit, 2e-8), 2^-n through the
// exponent's bits. 0 from 87.7 on, and for a NaN: those that call it multiply by x.
SAFELIGHT_INLINE float decay(float x) {
  constexpr float kRound = 12582912.0f;  // adding 1.5 * 2^23 leaves the nearest integer in the low bits
  // Compared as integers, which have a minimum in every instruction set.
  const float t = std::bit_cast<float>(
      std::min(std::bit_cast<std::uint32_t>(x) & 0x7fffffffu, std::bit_cast<std::uint32_t>(88.0f)));
  const float shifted = kRound - t * 1.44269504f;
  const float n = shifted - kRound;
  const float r = (-t - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.3901278e-3f;
  p = p * r + 8.3631463e-3f;
  p = p * r + 4.1666854e-2f;
  p = p * r + 0.16666578f;
  p = p * r + 0.5f;
  p = p * (r * r) + (r + 1.0f);
  return p * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127u) << 23);
}

SAFELIGHT_INLINE float silu(float z) {
  const float e = decay(z);
  return z * ((z < 0.0f ? e : 1.0f) / (1.0f + e));
}

// d silu(z) / dz = s + z s (1 - s), where {s, 1 - s} = {1, e} / (1 + e)
SAFELIGHT_INLINE float silu_slope(float z) {
  const float e = decay(z);
  const float large = 1.0f / (1.0f + e), small = e * large;
  return (z < 0.0f ? small : large) + z * (large * small);
}

struct NormalCdf {
  float cdf, density;  // density times sqrt(2 pi)
};

// Phi(x) = (1 + erf(x / sqrt 2)) / 2 within 7e-7 relative for |x| < 4, on the left as well, where 1 + erf cancels:
// Phi(-t) = e^(-t^2/2) s q(s) with s = 1 / (1 + 0.305 t), the form of Abramowitz and Stegun 7.1.26, with q a relative
// minimax fit (9.4e-8 for t in [0, 14]) of our own.
SAFELIGHT_INLINE NormalCdf normal_cdf(float x) {
  const float t = x < 0.0f ? -x : x;
  const float s = 1.0f / (1.0f + 0.305f * t);
  float q = 0.03669930f;
  q = q * s - 0.15298878f;
  q = q * s + 0.18571772f;
  q = q * s - 0.03797758f;
  q = q * s + 0.12102208f;
  q = q * s + 0.10342075f;
  q = q * s + 0.12246683f;
  q = q * s + 0.12163973f;
  const float density = decay(0.5f * x * x);
  const float tail = density * (q * s);
  return {x < 0.0f ? tail : 1.0f - tail, density};
}

}  // namespace safelight::rows
