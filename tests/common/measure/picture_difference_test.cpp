#include "common/measure/picture_difference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "common/measure/lanczos.h"

namespace safelight {
namespace {

// A bright disc on a dark ground, `soft` pixels from the one to the other.
Image disc(int side, double soft) {
  Image out{.width = side, .height = side, .channels = 3, .pixels = {}};
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const double inside = std::clamp((side / 3.0 - std::hypot(x - side / 2.0, y - side / 2.0)) / soft + 0.5, 0.0, 1.0);
      for (const double top : {200.0, 120.0, 60.0}) out.pixels.push_back(static_cast<std::uint8_t>(std::lround(30 + (top - 30) * inside)));
    }
  return out;
}

Image brighter(Image image, int by) {
  for (std::uint8_t& v : image.pixels) v = static_cast<std::uint8_t>(v + by);
  return image;
}

TEST(PictureDifference, PsnrIsWhatItsFormulaSays) {
  const Image a = disc(16, 1);
  EXPECT_EQ(psnr_db(a, a), kMostPsnr_db);
  EXPECT_NEAR(psnr_db(a, brighter(a, 5)), 20 * std::log10(255.0 / 5), 1e-9);
  Image one = a;
  one.pixels[0] = static_cast<std::uint8_t>(one.pixels[0] + 16);
  EXPECT_NEAR(psnr_db(a, one), 10 * std::log10(255.0 * 255.0 * 16 * 16 * 3 / 256), 1e-9);
}

TEST(PictureDifference, LostEdgesCountAndShiftsOfAllValuesDoNot) {
  const Image sharp = disc(64, 1);
  EXPECT_EQ(gradient_difference(sharp, sharp), 0);
  const double little = gradient_difference(sharp, disc(64, 3)), much = gradient_difference(sharp, disc(64, 12));
  EXPECT_GT(little, 0.01);
  EXPECT_GT(much, 1.5 * little);
  EXPECT_LT(gradient_difference(sharp, brighter(sharp, 20)), 1e-9);
  EXPECT_LT(psnr_db(sharp, brighter(sharp, 20)), psnr_db(sharp, disc(64, 3)));  // where PSNR says the contrary
}

TEST(PictureDifference, PicturesThatCannotBeComparedAreRefused) {
  EXPECT_THROW(psnr_db(disc(8, 1), disc(9, 1)), Error);
  EXPECT_THROW(gradient_difference(disc(8, 1), Image{}), Error);
  EXPECT_EQ(gradient_difference(disc(2, 1), disc(2, 1)), 0);
}

TEST(Lanczos, KeepsFlatPicturesAndTheSameSize) {
  const Image a = disc(23, 2), flat{.width = 3, .height = 2, .channels = 1, .pixels = std::vector<std::uint8_t>(6, 77)};
  EXPECT_EQ(lanczos_resized(a, 23, 23).pixels, a.pixels);
  for (const auto& [w, h] : {std::pair{1, 1}, {12, 8}, {2, 7}}) {
    const Image out = lanczos_resized(flat, w, h);
    EXPECT_EQ(out.width, w);
    EXPECT_EQ(out.height, h);
    EXPECT_TRUE(std::all_of(out.pixels.begin(), out.pixels.end(), [](int v) { return v == 77; }));
  }
}

// A point becomes the kernel: ones at its own place, zeros at whole distances, the first lobe below zero.
TEST(Lanczos, APointBecomesTheKernel) {
  Image line{.width = 15, .height = 1, .channels = 1, .pixels = std::vector<std::uint8_t>(15, 100)};
  line.pixels[7] = 200;
  const Image out = lanczos_resized(line, 45, 1);  // every third sample lies on a sample of the line
  EXPECT_EQ(out.pixels[22], 200);
  for (const int k : {-9, -6, -3, 3, 6, 9}) EXPECT_EQ(out.pixels[static_cast<std::size_t>(22 + k)], 100);
  const double t = std::acos(-1.0) / 3, third = 3 * std::sin(t) * std::sin(t / 3) / (t * t);
  EXPECT_NEAR(out.pixels[23], 100 + 100 * third, 2);
  EXPECT_LT(out.pixels[22 + 4], 100);
  EXPECT_EQ(out.pixels[22 + 4], out.pixels[22 - 4]);
}

TEST(Lanczos, ReturnsNearlyWhereItCameFrom) {
  const Image a = disc(32, 6);
  EXPECT_GT(psnr_db(lanczos_resized(lanczos_resized(a, 128, 128), 32, 32), a), 45);
  EXPECT_THROW(lanczos_resized(a, 0, 4), Error);
  EXPECT_THROW(lanczos_resized(Image{}, 4, 4), Error);
}

}  // namespace
}  // namespace safelight
