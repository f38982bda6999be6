// Cuts a picture of a scene into connected areas of one colour each; what has no colour is background or ink.
#pragma once

#include <vector>

#include "engine/training/checker/colour_match.h"

namespace safelight {

struct Region {
  Colour colour = Colour::red;         // of the palette, nearest to the mean
  Rgbf mean = {};                      // of its inside
  int core_px = 0;                     // pixels of the inside, without blurred edges
  int area_px = 0;
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // box; x1 and y1 lie outside
};

struct Regions {
  int side = 0;
  std::vector<int> label;              // [side, side]: index into `all`, or kNoRegion
  std::vector<Region> all;             // largest first
};

inline constexpr int kNoRegion = -1;
inline constexpr int kBlur_px = 2;     // how far the edge of a region may reach

// rgb: side * side * 3.
Regions find_regions(const std::uint8_t* rgb, int side);

// Makes one of regions that touch and belong together, measures them, leaves out specks and sorts.
Regions joined(Regions parts);

// Calls visit(pixel) for the up to four neighbours of a pixel.
template <class Visit>
void for_neighbours(int at, int side, Visit&& visit) {
  const int x = at % side, y = at / side;
  if (x > 0) visit(at - 1);
  if (x + 1 < side) visit(at + 1);
  if (y > 0) visit(at - side);
  if (y + 1 < side) visit(at + side);
}

}  // namespace safelight
