#include "finish/postfilter/postfilter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "common/base/error.h"
#include "common/measure/image_statistics.h"

namespace safelight {
namespace {

constexpr int kDenoiseRadius_px = 2, kDebandRadius_px = 16;

std::size_t at(const Image& image, int x, int y) {
  x = std::clamp(x, 0, image.width - 1), y = std::clamp(y, 0, image.height - 1);
  return (static_cast<std::size_t>(y) * image.width + x) * static_cast<std::size_t>(image.channels);
}

std::uint8_t to_byte(double value) { return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))); }

// Bilateral filter over 5 x 5 pixels (Tomasi and Manduchi, 1998, "Bilateral filtering for gray and color images"); all channels together decide
// what is an edge, so that colours do not bleed.
Image denoised(const Image& image, double range) {
  std::array<float, 3 * 255 + 1> like{};  // weight by the summed difference of the channels
  for (std::size_t d = 0; d < like.size(); ++d) like[d] = static_cast<float>(std::exp(-0.5 * std::pow(static_cast<double>(d) / (image.channels * range), 2)));
  Image out = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const std::size_t middle = at(image, x, y);
      std::array<float, 3> sum{};
      float weights = 0;
      for (int j = -kDenoiseRadius_px; j <= kDenoiseRadius_px; ++j)
        for (int i = -kDenoiseRadius_px; i <= kDenoiseRadius_px; ++i) {
          const std::size_t there = at(image, x + i, y + j);
          int difference = 0;
          for (int c = 0; c < image.channels; ++c) difference += std::abs(image.pixels[there + c] - image.pixels[middle + c]);
          const float w = like[difference] / static_cast<float>(1 + 0.2 * (i * i + j * j));
          for (int c = 0; c < image.channels; ++c) sum[c] += w * image.pixels[there + c];
          weights += w;
        }
      for (int c = 0; c < image.channels; ++c) out.pixels[middle + c] = to_byte(sum[c] / weights);
    }
  return out;
}

// The mean along a cross where all of it lies within `step` of the middle: bands are low and wide, edges are not. Rounding it would make new
// bands of one level, so an ordered pattern (Bayer, 1973) decides which way a value between two levels goes.
Image debanded(const Image& image, double step) {
  constexpr std::array<std::array<int, 4>, 4> kPattern = {{{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}}};
  Image out = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c) {
        const int middle = image.pixels[at(image, x, y) + c];
        int sum = 0;
        bool calm = true;
        for (int k = -kDebandRadius_px; k <= kDebandRadius_px && calm; ++k) {
          const int along = image.pixels[at(image, x + k, y) + c], across = image.pixels[at(image, x, y + k) + c];
          calm = std::abs(along - middle) <= step && std::abs(across - middle) <= step;
          sum += along + across;
        }
        if (!calm) continue;
        const double mean = static_cast<double>(sum) / (2 * (2 * kDebandRadius_px + 1));
        out.pixels[at(image, x, y) + c] = to_byte(std::floor(mean + (kPattern[y % 4][x % 4] + 0.5) / 16));
      }
  return out;
}

// Unsharp mask over 3 x 3 pixels, held within the least and greatest value there, so that edges get no halos.
Image sharpened(const Image& image, double strength) {
  Image out = image;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c) {
        int sum = 0, low = 255, high = 0;
        for (int j = -1; j <= 1; ++j)
          for (int i = -1; i <= 1; ++i) {
            const int v = image.pixels[at(image, x + i, y + j) + c];
            sum += v, low = std::min(low, v), high = std::max(high, v);
          }
        const double middle = image.pixels[at(image, x, y) + c];
        out.pixels[at(image, x, y) + c] = to_byte(std::clamp<double>(middle + strength * (middle - sum / 9.0), low, high));
      }
  return out;
}

void check_range(const char* field, double value, int most) {
  if (!(value >= 0 && value <= most)) throw Error(ErrorCode::invalid_argument, std::string(field) + " must be 0 to " + std::to_string(most) + ", not " + std::to_string(value));
}

}  // namespace

Image post_filtered(const Image& image, const PostFilter& filter) {
  check_range("denoise", filter.denoise, 64), check_range("deband", filter.deband, 8), check_range("sharpen", filter.sharpen, 2);
  if (image.width < 1 || image.height < 1 || (image.channels != 1 && image.channels != 3) ||
      image.pixels.size() != static_cast<std::size_t>(image.width) * image.height * image.channels)
    throw Error(ErrorCode::invalid_argument, "the picture to filter is empty, or its size does not match its pixels");
  Image out = image;
  if (filter.denoise > 0) out = denoised(out, filter.denoise);
  if (filter.deband > 0) out = debanded(out, filter.deband);
  if (filter.sharpen > 0) out = sharpened(out, filter.sharpen);
  return out;
}

FilterEffect filter_effect(const Image& before, const Image& after) {
  const ImageStatistics a = image_statistics(before), b = image_statistics(after);
  return {{a.noise, b.noise}, {a.banding, b.banding}, {a.sharpness, b.sharpness}};
}

}  // namespace safelight
