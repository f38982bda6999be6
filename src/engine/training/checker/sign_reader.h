// Reads the letters of a sign: the text, font and places that explain its ink best.
#pragma once

#include <string>
#include <vector>

namespace safelight {

// How much of each pixel is ink, 0 .. 1; rows top to bottom.
struct Ink {
  int width = 0, height = 0;
  std::vector<float> cells;
  float at(int x, int y) const { return cells[static_cast<std::size_t>(y * width + x)]; }
};

struct Reading {
  std::string text;          // capitals and digits; ' ' for wide gaps, '?' for what is no glyph
  int font = 0;
  double score = 0;          // 1: the letters explain all of the ink; 0: none of it
};

Reading read_sign(const Ink& ink);

}  // namespace safelight
