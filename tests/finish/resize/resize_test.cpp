#include "finish/resize/resize.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/base/error.h"

namespace safelight {
namespace {

TEST(Resize, KeepsFlatPicturesFlatUpToTheEdges) {
  for (const bool linear : {false, true}) {
    const Image large = lanczos_enlarged({7, 5, 3, std::vector<std::uint8_t>(105, 93)}, {.factor = 3, .linear_light = linear});
    EXPECT_EQ(large.width, 21);
    EXPECT_EQ(large.height, 15);
    for (const auto v : large.pixels) EXPECT_LE(std::abs(v - 93), 1);
  }
}

TEST(Resize, APieceWithOverlapGivesTheSamePixels) {
  Image whole{64, 16, 1, {}}, piece{40, 16, 1, {}};
  for (int y = 0; y < 16; ++y)
    for (int x = 0; x < 64; ++x) {
      const auto v = static_cast<std::uint8_t>((x * 37 + y * 11 + x * y) % 256);
      whole.pixels.push_back(v);
      if (x < 40) piece.pixels.push_back(v);
    }
  const Image a = lanczos_enlarged(whole), b = lanczos_enlarged(piece);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 64; ++x) ASSERT_LE(std::abs(a.pixels[y * 128 + x] - b.pixels[y * 80 + x]), 1) << x << "," << y;
}

TEST(Resize, RefusesWhatItCannotDo) {
  EXPECT_THROW(lanczos_enlarged({}), Error);
  EXPECT_THROW(lanczos_enlarged({1, 1, 1, {5}}, {.factor = 0.5}), Error);
  EXPECT_THROW(lanczos_enlarged({1, 1, 1, {5}}, {.factor = 2, .linear_light = true}), Error);
}

}  // namespace
}  // namespace safelight
