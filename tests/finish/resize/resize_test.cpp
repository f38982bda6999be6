#include "finish/resize/resize.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "common/base/error.h"
#include "finish/resize/upscaler.h"

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

Image busy(int width, int height, int channels) {
  Image out{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i) out.pixels.push_back(static_cast<std::uint8_t>((i * 2654435761U) >> 24));
  return out;
}

int most_apart(const Image& a, const Image& b) {
  if (a.pixels.size() != b.pixels.size()) return 256;
  int most = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
  return most;
}

// Every row of the table inherits this.
TEST(Upscalers, TilesGiveThePixelsOfOnePiece) {
  for (const UpscalerEntry& entry : upscalers()) {
    if (entry.needs_model) continue;
    for (const int factor : {2, 3, 4})
      for (const auto& [width, height, channels] : {std::array{100, 75, 3}, std::array{33, 130, 1}, std::array{1, 90, 3}, std::array{17, 1, 1}}) {
        const auto upscaler = open_upscaler(upscalers(), entry.name, {.factor = factor});
        const Image image = busy(width, height, channels), whole = upscaled(*upscaler, image, {.side_px = 0});
        EXPECT_EQ(whole.width, factor * width);
        EXPECT_EQ(whole.height, factor * height);
        for (const int side : {16, 31, 64}) EXPECT_LE(most_apart(upscaled(*upscaler, image, {.side_px = side}), whole), 1) << entry.name << " x" << factor << " tiles of " << side;
        EXPECT_EQ(upscaled(*upscaler, image, {.side_px = 31}).pixels, upscaled(*upscaler, image, {.side_px = 31}).pixels);
      }
  }
}

TEST(Upscalers, TellHowFarTheyAreAndStopWhenAsked) {
  const auto upscaler = open_upscaler(upscalers(), "lanczos", {});
  std::vector<std::array<int, 2>> told;
  upscaled(*upscaler, busy(40, 25, 1), {.side_px = 16, .progress = [&](int done, int all) { told.push_back({done, all}); }});
  EXPECT_EQ(told, (std::vector<std::array<int, 2>>{{1, 6}, {2, 6}, {3, 6}, {4, 6}, {5, 6}, {6, 6}}));
  int left = 3;
  EXPECT_THROW(upscaled(*upscaler, busy(40, 25, 1), {.side_px = 16, .cancelled = [&] { return left-- == 0; }}), Error);
}

TEST(Upscalers, RefuseWhatTheyCannotDo) {
  EXPECT_THROW(open_upscaler(upscalers(), "magic", {}), Error);
  EXPECT_THROW(open_upscaler(upscalers(), "lanczos", {.factor = 1}), Error);
  EXPECT_THROW(open_upscaler(upscalers(), "lanczos", {.factor = 17}), Error);
  EXPECT_THROW(open_upscaler(upscalers(), "lanczos", {.model = "some/model"}), Error);
  const auto upscaler = open_upscaler(upscalers(), "lanczos", {});
  EXPECT_THROW(upscaled(*upscaler, {}), Error);
  EXPECT_THROW(upscaled(*upscaler, busy(9, 9, 1), {.side_px = 15}), Error);
  EXPECT_THROW(upscaled(*open_upscaler(upscalers(), "lanczos", {.factor = 16}), {2000, 2000, 1, std::vector<std::uint8_t>(4'000'000)}), Error);
}

TEST(Resize, RefusesWhatItCannotDo) {
  EXPECT_THROW(lanczos_enlarged({}), Error);
  EXPECT_THROW(lanczos_enlarged({1, 1, 1, {5}}, {.factor = 0.5}), Error);
  EXPECT_THROW(lanczos_enlarged({1, 1, 1, {5}}, {.factor = 2, .linear_light = true}), Error);
}

}  // namespace
}  // namespace safelight
