#include "common/measure/part_statistics.h"

#include <gtest/gtest.h>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr int kSide = 64;

Image plain() { return {.width = kSide, .height = kSide, .channels = 3, .pixels = std::vector<std::uint8_t>(kSide * kSide * 3, 200)}; }

void box(Image& image, const PixelRegion& r, std::uint8_t red) {
  for (int y = r.y; y < r.y + r.height; ++y)
    for (int x = r.x; x < r.x + r.width; ++x)
      for (int k = 0; k < 3; ++k) image.pixels[static_cast<std::size_t>((y * kSide + x) * 3 + k)] = k == 0 ? red : 30;
}

TEST(PartStatistics, CountsPartsAndThoseOfOneColour) {
  Image image = plain();
  EXPECT_EQ(part_statistics(image).parts, 0);
  box(image, {8, 8, 10, 10}, 220);
  box(image, {40, 8, 10, 10}, 220);
  box(image, {8, 40, 10, 10}, 40);
  const PartStatistics s = part_statistics(image);
  EXPECT_EQ(s.parts, 3);
  EXPECT_EQ(s.alike, 2);
  EXPECT_NEAR(s.part_share, 300.0 / (kSide * kSide), 1e-9);
  EXPECT_NEAR(s.largest_share, 1.0 / 3, 1e-9);
}

TEST(PartStatistics, AGradientIsOneAreaAndTheBackground) {
  Image image = plain();
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)
      for (int k = 0; k < 3; ++k) image.pixels[static_cast<std::size_t>((y * kSide + x) * 3 + k)] = static_cast<std::uint8_t>(3 * x);
  EXPECT_EQ(part_statistics(image).parts, 0);
  EXPECT_LT(part_statistics(image).seam, 1);
}

TEST(PartStatistics, LettersOffTheirLineAreMisaligned) {
  Image straight = plain(), slanted = plain(), torn = plain();
  for (int i = 0; i < 4; ++i) {
    box(straight, {6 + 14 * i, 24, 8, 12}, 20);
    box(slanted, {6 + 14 * i, 18 + 4 * i, 8, 12}, 20);
    box(torn, {6 + 14 * i, i % 2 ? 18 : 30, 8, 12}, 20);
  }
  EXPECT_NEAR(part_statistics(straight).misalignment, 0, 1e-6);
  EXPECT_LT(part_statistics(slanted).misalignment, 0.05);
  EXPECT_GT(part_statistics(torn).misalignment, 0.4);
}

TEST(PartStatistics, ASeamRunsAllTheWayAcross) {
  Image image = plain(), part = plain();
  box(image, {32, 0, 32, kSide}, 212);
  box(part, {32, 20, 20, 20}, 100);
  EXPECT_GT(part_statistics(image).seam, 100);
  EXPECT_EQ(part_statistics(part).seam, 0);
}

TEST(Cropped, GivesTheRegionAndRefusesWhatIsOutside) {
  Image image = plain();
  box(image, {10, 12, 3, 4}, 90);
  const Image cut = cropped(image, {10, 12, 3, 4});
  ASSERT_EQ(cut.pixels.size(), 36u);
  EXPECT_EQ(cut.pixels[0], 90);
  EXPECT_EQ(cropped(image, {}).pixels, image.pixels);
  for (const PixelRegion& r : {PixelRegion{60, 0, 5, 5}, {-1, 0, 5, 5}, {0, 2'000'000'000, 5, 5}, {0, 0, 2'000'000'000, 2'000'000'000}})
    EXPECT_THROW(cropped(image, r), Error);
}

}  // namespace
}  // namespace safelight
