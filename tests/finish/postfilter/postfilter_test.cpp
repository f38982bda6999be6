// Each filter on the damage it is for, measured against the clean picture, and on the clean picture itself.
#include "finish/postfilter/postfilter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "common/base/error.h"
#include "common/measure/picture_difference.h"

namespace safelight {
namespace {

// A disc on a slope, with noise of `sigma`, rounded to multiples of `step`, its edges as wide as `soft` pixels.
Image scene(double sigma, int step, double soft = 1) {
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 1);
  Image out{160, 160, 3, {}};
  for (int y = 0; y < 160; ++y)
    for (int x = 0; x < 160; ++x)
      for (int c = 0; c < 3; ++c) {
        const double t = std::clamp(0.5 + (30 - std::hypot(x - 100, y - 60)) / soft, 0.0, 1.0), disc = t * t * (3 - 2 * t);
        const double clean = (60 + 0.15 * x + 0.07 * y) * (1 - disc) + (200 - 40 * c) * disc;
        out.pixels.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(std::round((clean + sigma * noise(random)) / step) * step, 0.0, 255.0))));
      }
  return out;
}

// The steepest step across the disc's rim, grey levels a pixel, mean over rays from its centre. (`sharpness` of the statistics is a percentile over the
// whole picture, of which this rim is under a hundredth.)
double rim_steepness(const Image& image) {
  double sum = 0;
  for (int ray = 0; ray < 64; ++ray) {
    const auto value = [&](double r) {
      const double a = ray * 2 * M_PI / 64;
      return image.pixels[3 * (static_cast<std::size_t>(60 + r * std::sin(a)) * 160 + static_cast<std::size_t>(100 + r * std::cos(a)))];
    };
    int steepest = 0;
    for (int r = 22; r < 38; ++r) steepest = std::max(steepest, std::abs(value(r + 1) - value(r)));
    sum += steepest / 64.0;
  }
  return sum;
}

TEST(PostFilter, DenoiseTakesNoiseAndLeavesEdges) {
  const Image clean = scene(0, 1), noisy = scene(6, 1), filtered = post_filtered(noisy, {.denoise = 20});
  EXPECT_GT(psnr_db(filtered, clean), psnr_db(noisy, clean) + 5);
  const FilterEffect effect = filter_effect(noisy, filtered);
  EXPECT_LT(effect.noise[1], 0.4 * effect.noise[0]);
  EXPECT_GT(rim_steepness(filtered), 0.9 * rim_steepness(clean));
}

TEST(PostFilter, DebandTakesStepsAndLeavesEdges) {
  const Image clean = scene(0, 1), banded = scene(0, 3), filtered = post_filtered(banded, {.deband = 3});
  EXPECT_GT(psnr_db(filtered, clean), psnr_db(banded, clean) + 1);
  EXPECT_LT(mean_difference(filtered, clean), mean_difference(banded, clean));
  EXPECT_GT(rim_steepness(filtered), 0.98 * rim_steepness(banded));
}

TEST(PostFilter, SharpenNarrowsSoftEdgesWithoutHalos) {
  const Image soft = scene(0, 1, 5), filtered = post_filtered(soft, {.sharpen = 1.5});
  EXPECT_GT(rim_steepness(filtered), 1.1 * rim_steepness(soft));
  EXPECT_GT(psnr_db(filtered, scene(0, 1, 1)), psnr_db(soft, scene(0, 1, 1)));
  EXPECT_LE(*std::max_element(filtered.pixels.begin(), filtered.pixels.end()), *std::max_element(soft.pixels.begin(), soft.pixels.end()));
}

TEST(PostFilter, SparesCleanPicturesAndRefusesBadValues) {
  const Image clean = scene(0, 1);
  EXPECT_GT(psnr_db(post_filtered(clean, {.denoise = 8, .deband = 2}), clean), 42);
  EXPECT_EQ(post_filtered(clean, {}).pixels, clean.pixels);
  EXPECT_EQ(post_filtered({1, 1, 1, {7}}, {.denoise = 9, .deband = 2, .sharpen = 1}).pixels, std::vector<std::uint8_t>{7});
  EXPECT_THROW(post_filtered(clean, {.sharpen = -1}), Error);
  EXPECT_THROW(post_filtered(clean, {.denoise = NAN}), Error);
  EXPECT_THROW(post_filtered(clean, {.deband = 9}), Error);
  EXPECT_THROW(post_filtered({4, 4, 3, {1, 2}}, {.denoise = 1}), Error);
  EXPECT_THROW(post_filtered({}, {}), Error);
}

}  // namespace
}  // namespace safelight
