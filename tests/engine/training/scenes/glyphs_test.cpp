#include "engine/training/scenes/glyphs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace safelight {
namespace {

const std::string kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

// The glyph on a grid of 8 x 8, then its aspect.
std::vector<double> portrait(char c, int font) {
  std::vector<double> cells;
  for (int i = 0; i < 64; ++i) {
    const double u = i % 8 / 8.0, v = i / 8 / 8.0;
    cells.push_back(glyph_coverage(c, font, u, v, u + 0.125, v + 0.125));
  }
  cells.push_back(glyph_aspect(c, font));
  return cells;
}

TEST(Glyphs, LettersStandWhereTheirBoxesSay) {
  for (int font = 0; font < kFonts; ++font) {
    const std::string text = "W1I-O";
    const auto boxes = letter_boxes(text, font);
    ASSERT_EQ(boxes.size(), text.size());
    EXPECT_DOUBLE_EQ(boxes.front()[0], 0);
    EXPECT_NEAR(boxes.back()[1], text_aspect(text, font), 1e-9);
    EXPECT_EQ(boxes[3][0], boxes[3][1]);   // no glyph
    for (const std::size_t k : {0u, 1u, 2u, 4u}) EXPECT_NEAR(boxes[k][1] - boxes[k][0], glyph_aspect(text[k], font), 1e-9);
    EXPECT_LT(boxes[0][1], boxes[1][1]);
    EXPECT_LT(boxes[2][1], boxes[4][0]);
  }
  EXPECT_TRUE(letter_boxes("", 0).empty());
  EXPECT_THROW(letter_boxes("A", kFonts), Error);
}

struct Picture {
  static constexpr int kSide = 64;
  std::vector<std::uint8_t> rgb = std::vector<std::uint8_t>(kSide * kSide * 3, 255);

  void draw(std::string_view text, int font, double x, double y, double height) {
    draw_letters(rgb.data(), kSide, text, font, x, y, height, {0, 0, 0});
  }
  int at(int x, int y) const { return rgb[static_cast<std::size_t>((y * kSide + x) * 3)]; }
  double ink() const {  // in pixels
    double sum = 0;
    for (const auto p : rgb) sum += (255 - p) / 255.0;
    return sum / 3;
  }
  bool blank() const {
    return std::all_of(rgb.begin(), rgb.end(), [](int p) { return p == 255; });
  }
};

TEST(Glyphs, FillTheirBox) {
  for (int font = 0; font < kFonts; ++font) {
    for (const char c : kLetters) {
      const double whole = glyph_coverage(c, font, 0, 0, 1, 1), texel = 1.0 / 28;
      EXPECT_TRUE(whole > 0.15 && whole <= 1) << c << font << ' ' << whole;
      EXPECT_GT(glyph_coverage(c, font, 0, 0, 1, 1.5 * texel), 0) << c << font;
      EXPECT_GT(glyph_coverage(c, font, 0, 1 - 1.5 * texel, 1, 1), 0) << c << font;
      EXPECT_GT(glyph_coverage(c, font, 0, 0, texel, 1), 0) << c << font;
      EXPECT_GT(glyph_coverage(c, font, 1 - texel, 0, 1, 1), 0) << c << font;
    }
  }
}

TEST(Glyphs, DifferWithinAFont) {
  for (int font = 0; font < kFonts; ++font) {
    for (const char a : kLetters) {
      for (const char b : kLetters) {
        if (a >= b) continue;
        const std::vector<double> x = portrait(a, font), y = portrait(b, font);
        double most = 0;
        for (std::size_t i = 0; i < x.size(); ++i) most = std::max(most, std::abs(x[i] - y[i]));
        EXPECT_GT(most, 0.1) << a << b << " of font " << font;
      }
    }
  }
}

TEST(Glyphs, CoverageOfTheWholeIsTheMeanOfItsParts) {
  for (int font = 0; font < kFonts; ++font) {
    for (const char c : kLetters) {
      const double quarters = glyph_coverage(c, font, 0, 0, 0.5, 0.5) + glyph_coverage(c, font, 0.5, 0, 1, 0.5) +
                              glyph_coverage(c, font, 0, 0.5, 0.5, 1) + glyph_coverage(c, font, 0.5, 0.5, 1, 1);
      const double whole = glyph_coverage(c, font, 0, 0, 1, 1);
      EXPECT_NEAR(whole, quarters / 4, 1e-9) << c << font;
      EXPECT_NEAR(glyph_coverage(c, font, -1, 0, 1, 1), whole / 2, 1e-9) << "nothing lies outside the box";
    }
  }
  EXPECT_EQ(glyph_coverage('A', 0, 0.5, 0, 0.5, 1), 0);
}

TEST(Glyphs, LongerTextsAreWider) {
  for (int font = 0; font < kFonts; ++font) {
    EXPECT_EQ(text_aspect("", font), 0);
    std::string text;
    for (const char c : kLetters) {
      const double before = text_aspect(text, font);
      text += c;
      EXPECT_GT(text_aspect(text, font), before + 0.1) << text;
    }
    EXPECT_NEAR(text_aspect("X", font), glyph_aspect('X', font), 1e-12);
    EXPECT_GT(text_aspect("A B", font), text_aspect("AB", font) + 0.4);
  }
}

TEST(Glyphs, DrawnInkIsTheCoverage) {
  for (int font = 0; font < kFonts; ++font) {
    for (const double height : {5.3, 12.0, 28.0, 41.7}) {
      for (const char c : kLetters) {
        Picture picture;
        picture.draw(std::string(1, c), font, 3.4, 7.8, height);
        const double expected = glyph_coverage(c, font, 0, 0, 1, 1) * glyph_aspect(c, font) * height * height;
        EXPECT_NEAR(picture.ink(), expected, 0.01 * expected + 0.3) << c << font << ' ' << height;
      }
    }
  }
}

TEST(Glyphs, TextStaysInItsBox) {
  for (int font = 0; font < kFonts; ++font) {
    Picture picture;
    const double height = 12;
    const int right = static_cast<int>(std::ceil(8 + text_aspect("ABJQ", font) * height));
    picture.draw("ABJQ", font, 8, 20, height);
    int first = Picture::kSide, last = -1;
    for (int y = 0; y < Picture::kSide; ++y) {
      for (int x = 0; x < Picture::kSide; ++x) {
        if (picture.at(x, y) == 255) continue;
        EXPECT_TRUE(y >= 20 && y < 32) << y;
        first = std::min(first, x);
        last = std::max(last, x);
      }
    }
    EXPECT_EQ(first, 8);
    EXPECT_TRUE(last == right - 1 || last == right - 2) << last << ' ' << right;
  }
}

TEST(Glyphs, DrawingOutsideThePictureIsSafe) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  Picture picture;
  for (const double far : {-1e300, -1e6, -100.0, 64.0, 100.0, 1e6, 1e300, infinity, -infinity, nan}) {
    picture.draw("W", 0, far, 10, 20);
    picture.draw("W", 0, 10, far, 20);
  }
  for (const double height : {0.0, -5.0, nan, infinity}) picture.draw("W", 0, 10, 10, height);
  picture.draw("", 0, 10, 10, 20);
  EXPECT_TRUE(picture.blank());
  for (const double x : {-30.0, -5.5, 50.0, 63.5}) picture.draw("HOTEL", 2, x, x, 30);
  picture.draw("I", 0, -1000, -1000, 5000);  // the picture is a part of one stem or beside it
  picture.draw("M", 1, 5, 5, 1e-6);
  EXPECT_FALSE(picture.blank());
}

TEST(Glyphs, UnknownCharactersAreBlankAndUnknownFontsAnError) {
  Picture picture;
  picture.draw("a ?", 0, 10, 10, 20);
  EXPECT_TRUE(picture.blank());
  EXPECT_EQ(glyph_coverage('?', 0, 0, 0, 1, 1), 0);
  EXPECT_NEAR(text_aspect("??", 1), 2 * glyph_aspect('?', 1), 1e-12);
  EXPECT_THROW(text_aspect("A", -1), Error);
  EXPECT_THROW(glyph_aspect('A', kFonts), Error);
  EXPECT_THROW(picture.draw("A", kFonts, 0, 0, 10), Error);
}

}  // namespace
}  // namespace safelight
