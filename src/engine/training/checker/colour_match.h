// Colours of pixels against the palette of scenes.
#pragma once

#include <array>
#include <cmath>

#include "engine/training/scenes/scene.h"

namespace safelight {

using Rgbf = std::array<float, 3>;   // 0 .. 255

inline Rgbf colour_at(const std::uint8_t* p) { return {static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2])}; }
inline float dot(const Rgbf& a, const Rgbf& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Rgbf difference(const Rgbf& a, const Rgbf& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline float distance2(const Rgbf& a, const Rgbf& b) { return dot(difference(a, b), difference(a, b)); }

// A colour less its mean. Mixing with any gray scales it, so the share of an object in a pixel at its edge can be read off
// without knowing the background.
inline Rgbf chroma(const Rgbf& c) {
  const float mean = (c[0] + c[1] + c[2]) / 3;
  return {c[0] - mean, c[1] - mean, c[2] - mean};
}

// Light and shade of one hue: orange and brown, cyan and teal.
inline bool same_hue(const Rgbf& a, const Rgbf& b) {
  const Rgbf p = chroma(a), q = chroma(b);
  return dot(p, q) > 0.95f * std::sqrt(dot(p, p) * dot(q, q));
}

// How much of `second` is in a mixture of two colours, 0 .. 1.
float share_of_second(const Rgbf& mixture, const Rgbf& first, const Rgbf& second);

Colour nearest_colour(const Rgbf& rgb);  // in CIE Lab

}  // namespace safelight
