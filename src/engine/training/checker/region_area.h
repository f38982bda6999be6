// One region with what it encloses: holes, other regions, and how exactly it fills the pixels at its edge.
#pragma once

#include <vector>

#include "engine/training/checker/scene_regions.h"
#include "engine/training/checker/shape_match.h"

namespace safelight {

enum class Cell : char {
  outside,
  own,
  hole,      // through which background or ink is seen
  filled     // a hole that another region fills for the most part: it lies over this one
};

// A region's box with a margin of one pixel.
struct Area {
  int x0 = 0, y0 = 0, width = 0, height = 0;
  std::vector<Cell> cells;
  Cell at(int x, int y) const { return cells[static_cast<std::size_t>(y * width + x)]; }  // relative to x0, y0
  bool holds(int x, int y) const { return x >= 0 && y >= 0 && x < width && y < height && (at(x, y) == Cell::own || at(x, y) == Cell::filled); }
};

Area area_of(const Regions& regions, int index);

// Share of the box's four sides that the outline follows closely, 0 .. 1; 0 for round corners. About 1 for rectangles alone.
double outline_share(const Area& area);

// Pixels at the edge count by the share of the region's colour in them.
Coverage coverage_of(const Regions& regions, int index, const Area& area, const std::uint8_t* rgb);

}  // namespace safelight
