#include "common/measure/lanczos.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr double kLobes = 3;

double kernel(double x) {
  if (x == 0) return 1;
  if (std::abs(x) >= kLobes) return 0;
  const double t = std::numbers::pi * x;
  return kLobes * std::sin(t) * std::sin(t / kLobes) / (t * t);
}

// The samples that make one of the result, and their weights, which sum to 1.
struct Taps {
  int first = 0;
  std::vector<float> weights;
};

std::vector<Taps> taps_of(int from, int to) {
  const double step = static_cast<double>(from) / to, stretch = std::max(1.0, step), reach = kLobes * stretch;
  std::vector<Taps> out;
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * step - 0.5;
    const int first = std::max(0, static_cast<int>(std::ceil(centre - reach))), last = std::min(from - 1, static_cast<int>(std::floor(centre + reach)));
    std::vector<double> weights;
    double sum = 0;
    for (int k = first; k <= last; ++k) sum += weights.emplace_back(kernel((k - centre) / stretch));
    Taps taps{first, {}};
    for (const double w : weights) taps.weights.push_back(static_cast<float>(w / sum));
    out.push_back(std::move(taps));
  }
  return out;
}

// Resamples the middle one of three dimensions.
std::vector<float> resampled(const std::vector<float>& in, std::size_t outer, int from, std::size_t inner, int to) {
  const std::vector<Taps> taps = taps_of(from, to);
  std::vector<float> out(outer * static_cast<std::size_t>(to) * inner, 0.0f);
  for (std::size_t o = 0; o < outer; ++o)
    for (std::size_t i = 0; i < taps.size(); ++i) {
      float* row = out.data() + (o * taps.size() + i) * inner;
      for (std::size_t k = 0; k < taps[i].weights.size(); ++k) {
        const float* source = in.data() + (o * static_cast<std::size_t>(from) + static_cast<std::size_t>(taps[i].first) + k) * inner;
        for (std::size_t c = 0; c < inner; ++c) row[c] += taps[i].weights[k] * source[c];
      }
    }
  return out;
}

}  // namespace

Image lanczos_resized(const Image& image, int width, int height) {
  if (image.width < 1 || image.height < 1 || width < 1 || height < 1) throw Error(ErrorCode::invalid_argument, "a picture of no pixels cannot be resized, nor made");
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::vector<float> samples(image.pixels.begin(), image.pixels.end());
  const std::vector<float> wide = resampled(samples, static_cast<std::size_t>(image.height), image.width, channels, width);
  const std::vector<float> both = resampled(wide, 1, image.height, static_cast<std::size_t>(width) * channels, height);
  Image out{.width = width, .height = height, .channels = image.channels, .pixels = std::vector<std::uint8_t>(both.size())};
  std::transform(both.begin(), both.end(), out.pixels.begin(), [](float v) { return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0f, 255.0f))); });
  return out;
}

}  // namespace safelight
