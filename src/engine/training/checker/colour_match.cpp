#include "engine/training/checker/colour_match.h"

#include <algorithm>

namespace safelight {
namespace {

using Lab = std::array<double, 3>;

Lab lab_of(const Rgbf& c) {
  const auto linear = [](double v) { return (v /= 255) <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  const double r = linear(c[0]), g = linear(c[1]), b = linear(c[2]);
  const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
  const double x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505), y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const double z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

}  // namespace

float share_of_second(const Rgbf& mixture, const Rgbf& first, const Rgbf& second) {
  const Rgbf way = difference(second, first);
  return std::clamp(dot(way, difference(mixture, first)) / std::max(dot(way, way), 1e-6f), 0.0f, 1.0f);
}

Colour nearest_colour(const Rgbf& value) {
  static const auto kPalette = [] {
    std::array<Lab, kColours> labs{};
    for (int c = 0; c < kColours; ++c) {
      const Rgb p = rgb(static_cast<Colour>(c));
      labs[static_cast<std::size_t>(c)] = lab_of({static_cast<float>(p.r), static_cast<float>(p.g), static_cast<float>(p.b)});
    }
    return labs;
  }();
  const Lab lab = lab_of(value);
  const auto far = [&](const Lab& p) { return std::hypot(p[0] - lab[0], p[1] - lab[1], p[2] - lab[2]); };
  const auto best = std::min_element(kPalette.begin(), kPalette.end(), [&](const Lab& a, const Lab& b) { return far(a) < far(b); });
  return static_cast<Colour>(best - kPalette.begin());
}

}  // namespace safelight
