// Signs painted wrong, checked, repaired, refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "finish/signs/damaged_sign.h"
#include "finish/typography/plan_ahead.h"
#include "finish/typography/sign_board.h"
#include "finish/typography/text_fix.h"
#include "finish/typography/text_metric.h"

namespace safelight {
namespace {

Image plain(int width, int height, std::array<std::uint8_t, 3> colour) {
  Image out{width, height, 3, {}};
  for (int i = 0; i < width * height; ++i) out.pixels.insert(out.pixels.end(), colour.begin(), colour.end());
  return out;
}

// Dark text whose capitals are about 0.73 * size_px high, its middle at (x, y).
void paint(const Typesetter& typesetter, Image& image, const std::string& text, double x, double y, double size_px, double angle = 0, std::array<std::uint8_t, 3> ink = {20, 20, 40}) {
  const Face face = typesetter.faces()[0];
  const InkExtents e = typesetter.extents(text, face);
  const LineBox frame{x, y, e.width * size_px, e.height * size_px, angle};
  const Raster drawn = typesetter.coverage({text, face, frame, -frame.width / 2, -(e.y + e.height / 2) * size_px, size_px, 1}, {0, 0, image.width, image.height});
  for (std::size_t i = 0; i < drawn.values.size(); ++i)
    for (int c = 0; c < 3; ++c) image.pixels[3 * i + c] = static_cast<std::uint8_t>(image.pixels[3 * i + c] * (1 - drawn.values[i]) + ink[c] * drawn.values[i]);
}

struct Typography : ::testing::Test {
  TextReader reader;
  Typesetter typesetter;

  void expect_unchanged_outside(const Image& before, const FixedPicture& fixed) {
    std::size_t changed = 0;
    for (std::size_t i = 0; i < before.pixels.size(); ++i) changed += !fixed.mask[i / before.channels] && fixed.image.pixels[i] != before.pixels[i];
    EXPECT_EQ(changed, 0U);
  }
};

TEST(TextMetric, FindsQuotes) {
  EXPECT_EQ(quoted_texts("a sign \"OPEN  24H\" and “Bar”, «x y» \"unclosed"), (std::vector<std::string>{"OPEN 24H", "Bar", "x y"}));
  EXPECT_EQ(quoted_texts("nothing here, not even \"\""), std::vector<std::string>{});
  EXPECT_EQ(prompt_left_blank("a shop sign that says \"OPEN 24H\", at night"), "a shop sign left blank, at night");
  EXPECT_EQ(prompt_left_blank("a \"BAR\" sign"), "a sign");
}

TEST(TextMetric, CountsErrors) {
  EXPECT_DOUBLE_EQ(character_error_rate("OPNE", "OPEN"), 0.5);
  EXPECT_DOUBLE_EQ(character_error_rate("Ärger", "Arger"), 0.2);
  EXPECT_DOUBLE_EQ(character_error_rate("x", ""), 1);
  EXPECT_DOUBLE_EQ(character_error_rate("", ""), 0);
  EXPECT_DOUBLE_EQ(word_error_rate("OPEN 25H", "OPEN 24H"), 0.5);
  EXPECT_DOUBLE_EQ(text_similarity("OPEN", "OPENED"), 4.0 / 6);
}

TEST_F(Typography, ReadsMisspeltWordsAsTheyAre) {
  Image image = plain(400, 200, {230, 220, 200});
  paint(typesetter, image, "BAEKRY", 200, 100, 60);
  const TextCheck check = check_text(reader, image, {"BAKERY"});
  ASSERT_EQ(check.lines.size(), 1U);
  EXPECT_EQ(check.lines[0].reading.text, "BAEKRY");
  EXPECT_EQ(check.targets[0].status, TextStatus::near);
  EXPECT_NEAR(check.targets[0].cer, 2.0 / 6, 1e-9);
}

TEST_F(Typography, RepairsInPlaceAndNowhereElse) {
  Image image = plain(460, 240, {60, 110, 80});
  paint(typesetter, image, "COFEE", 230, 120, 64, 0.15, {240, 240, 220});
  const FixedPicture fixed = fix_text(reader, typesetter, image, {"COFFEE"});
  const TextFix& fix = fixed.fixes[0];
  EXPECT_TRUE(fix.changed) << fix.reason;
  EXPECT_EQ(fix.read_before, "COFEE");
  EXPECT_EQ(fix.read_after, "COFFEE");
  EXPECT_EQ(fix.method, "same_style");
  EXPECT_GT(fix.likeness, 0.7);
  EXPECT_LT(std::count(fixed.mask.begin(), fixed.mask.end(), 255), 460 * 240 / 4);
  expect_unchanged_outside(image, fixed);
  EXPECT_EQ(fix_text(reader, Typesetter(), image, {"COFFEE"}).image.pixels, fixed.image.pixels);
  EXPECT_FALSE(fix_text(reader, typesetter, fixed.image, {"COFFEE"}).fixes[0].changed);
}

TEST_F(Typography, KeepsTextsApartAndLinesTogether) {
  Image image = plain(500, 420, {235, 235, 235});
  paint(typesetter, image, "HOTEL", 250, 70, 60);
  paint(typesetter, image, "FRESH", 250, 230, 60);
  paint(typesetter, image, "FSIH", 250, 310, 60);
  const TextCheck check = check_text(reader, image, {"FRESH FISH", "HOTEL"});
  EXPECT_EQ(check.targets[0].read, "FRESH FSIH");
  EXPECT_EQ(check.targets[1].status, TextStatus::exact);
  const FixedPicture fixed = fix_text(reader, typesetter, image, {"FRESH FISH", "HOTEL"});
  EXPECT_EQ(fixed.fixes[0].read_after, "FRESH FISH") << fixed.fixes[0].reason;
  EXPECT_EQ(fixed.fixes[0].boxes.size(), 1U);
  EXPECT_EQ(fixed.fixes[1].reason, "exact");
  expect_unchanged_outside(image, fixed);
}

// Strokes that are no letters, on a board with ragged sides; nothing about them says where a word would stand.
Image scribbled(double angle, std::uint64_t seed) {
  Image image = plain(180, 140, {120, 124, 120});
  std::uint64_t state = seed;
  const auto chance = [&] { return state = state * 6364136223846793005U + 1442695040888963407U, static_cast<double>(state >> 40) / (1 << 24); };
  const LineBox board{90, 70, 130, 46, angle};
  std::vector<std::array<double, 4>> strokes;
  for (int i = 0; i < 22; ++i) strokes.push_back({(chance() - 0.5) * 104, (chance() - 0.5) * 24, (chance() - 0.5) * 18, (chance() - 0.5) * 18});
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const auto [u, v] = board.to_line(x + 0.5, y + 0.5);
      const double ragged = 1.2 * std::sin(0.4 * u) * std::cos(0.3 * v);
      if (std::abs(u) > 65 + ragged || std::abs(v) > 23 + ragged) continue;
      const bool stroke = std::any_of(strokes.begin(), strokes.end(), [&](const auto& s) {
        const double along = std::clamp(((u - s[0]) * s[2] + (v - s[1]) * s[3]) / (s[2] * s[2] + s[3] * s[3]), 0.0, 1.0);
        return std::hypot(u - s[0] - along * s[2], v - s[1] - along * s[3]) < 2.2;
      });
      const std::array<std::uint8_t, 3> colour = stroke ? std::array<std::uint8_t, 3>{240, 235, 240} : std::array<std::uint8_t, 3>{150, 40, 140};
      for (int c = 0; c < 3; ++c) image.pixels[3 * (static_cast<std::size_t>(y) * image.width + x) + c] = colour[c];
    }
  return image;
}

TEST_F(Typography, WritesAcrossABoardOfScribbles) {
  for (const double angle : {0.0, 0.12, -0.15}) {
    const Image before = scribbled(angle, 7);
    const FixedPicture fixed = fix_text(reader, typesetter, before, {"CAFE"});
    EXPECT_TRUE(fixed.fixes[0].changed) << angle;
    EXPECT_EQ(check_text(reader, fixed.image, {"CAFE"}).targets[0].read, "CAFE") << angle;
    expect_unchanged_outside(before, fixed);
    const LineBox board{90, 70, 130, 46, angle};
    for (std::size_t i = 0; i < fixed.mask.size(); ++i) {   // nothing but the board was written on
      const auto [u, v] = board.to_line(static_cast<double>(i % before.width) + 0.5, static_cast<double>(i / before.width) + 0.5);
      if (fixed.mask[i]) EXPECT_TRUE(std::abs(u) < 70 && std::abs(v) < 28) << u << ", " << v;
    }
  }
}

TEST_F(Typography, ScribblesThatNobodyMeantAsTextStay) {
  const Image image = scribbled(0, 7);
  EXPECT_EQ(fix_text(reader, typesetter, image, {}).image.pixels, image.pixels);
}

TEST_F(Typography, FindsBoardsAndNothingElse) {
  EXPECT_TRUE(sign_boards(plain(100, 80, {200, 30, 30})).empty());
  Image disc = plain(160, 160, {240, 240, 240});
  for (int y = 0; y < 160; ++y)
    for (int x = 0; x < 160; ++x)
      if (std::hypot(x - 80, y - 80) < 60) disc.pixels[3 * (static_cast<std::size_t>(y) * 160 + x) + 1] = 40;
  EXPECT_TRUE(sign_boards(disc).empty());
  const auto boards = sign_boards(scribbled(0.1, 3));
  ASSERT_FALSE(boards.empty());
  EXPECT_NEAR(boards[0].place.width, 130, 6);
  EXPECT_NEAR(boards[0].place.height, 46, 6);
  EXPECT_NEAR(boards[0].place.angle, 0.1, 0.04);
}

TEST_F(Typography, WithoutIntentNothingChanges) {
  const DamagedSign sign = damaged_sign(0);
  const FixedPicture fixed = fix_text(reader, typesetter, sign.image, {});
  EXPECT_EQ(fixed.image.pixels, sign.image.pixels);
  EXPECT_EQ(std::count(fixed.mask.begin(), fixed.mask.end(), 255), 0);
  EXPECT_TRUE(fixed.fixes.empty());
}

TEST_F(Typography, SaysWhyItCannot) {
  const FixedPicture dot = fix_text(reader, typesetter, plain(1, 1, {1, 2, 3}), {"OPEN"});
  EXPECT_EQ(dot.image.pixels, (std::vector<std::uint8_t>{1, 2, 3}));
  EXPECT_EQ(dot.fixes[0].reason.find("unfixable: nothing is written"), 0U) << dot.fixes[0].reason;
  Image image = plain(400, 200, {230, 220, 200});
  paint(typesetter, image, "OPNE", 200, 100, 60);
  for (const char* text : {"開店中", "\xff\xfe"}) {
    const FixedPicture fixed = fix_text(reader, typesetter, image, {text});
    EXPECT_EQ(fixed.fixes[0].reason, "unfixable: no installed font has every letter");
    EXPECT_EQ(fixed.image.pixels, image.pixels);
  }
  const FixedPicture tight = fix_text(reader, typesetter, image, {std::string(190, 'W')});
  EXPECT_EQ(tight.fixes[0].reason.find("unfixable"), 0U);
  EXPECT_EQ(tight.image.pixels, image.pixels);
}

TEST_F(Typography, SurvivesPicturesOfEveryShape) {
  for (const auto& [width, height] : {std::array{1, 300}, std::array{300, 1}, std::array{7, 7}, std::array{3, 900}})
    for (const int channels : {1, 3}) {
      Image image{width, height, channels, {}};
      for (int i = 0; i < width * height * channels; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 7919 >> 3));
      EXPECT_EQ(fix_text(reader, typesetter, image, {"OPEN"}).image.pixels.size(), image.pixels.size());
    }
}

TEST_F(Typography, WritesWhereRoomWasLeft) {
  Image image = plain(400, 300, {120, 160, 210});
  for (int y = 90; y < 210; ++y)
    for (int x = 60; x < 340; ++x)
      for (int c = 0; c < 3; ++c) image.pixels[3 * (y * 400 + x) + c] = static_cast<std::uint8_t>(c == 0 ? 250 : 240);
  const FixedPicture fixed = write_text(reader, typesetter, image, {"OPEN 24H"}, {});
  ASSERT_TRUE(fixed.fixes[0].changed) << fixed.fixes[0].reason;
  EXPECT_EQ(fixed.fixes[0].read_after, "OPEN 24H");
  for (const Box& b : fixed.fixes[0].boxes) EXPECT_TRUE(b.x >= 60 && b.y >= 90 && b.right() <= 340 && b.bottom() <= 210) << b.x << "," << b.y << " " << b.width << "x" << b.height;
  expect_unchanged_outside(image, fixed);
  EXPECT_THROW(write_text(reader, typesetter, image, {"A"}, {{390, 0, 20, 20}}), Error);
  EXPECT_THROW(write_text(reader, typesetter, image, {"A"}, {{0, 0, 9, 9}, {0, 0, 9, 9}}), Error);
  EXPECT_FALSE(fix_text(reader, typesetter, image, {"OPEN 24H"}).fixes[0].changed);
  EXPECT_TRUE(fix_text(reader, typesetter, image, {"OPEN 24H"}, {.limit = FixLimit::overlay}).fixes[0].changed);
}

TEST_F(Typography, PicksThePictureThatSaysIt) {
  Image wrong = plain(400, 200, {230, 220, 200}), right = wrong;
  paint(typesetter, wrong, "MUESUM", 200, 100, 60);
  paint(typesetter, right, "MUSEUM", 200, 100, 60);
  EXPECT_EQ(best_by_text(reader, {wrong, right, right}, {"MUSEUM"}), 1U);
  EXPECT_THROW(best_by_text(reader, {}, {"MUSEUM"}), Error);
}

}  // namespace
}  // namespace safelight
