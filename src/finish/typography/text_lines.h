// Lines of writing: letters of like height and colour that follow each other along a straight, nearly level baseline.
#pragma once

#include <vector>

#include "finish/typography/raster.h"

namespace safelight {

// A rectangle turned by `angle` round its centre, in pixels of the picture; (0.5, 0.5) is the centre of its first pixel.
struct LineBox {
  double centre_x = 0, centre_y = 0;
  double width = 0, height = 0;  // along and across the baseline, of the ink
  double angle = 0;              // radians, positive is clockwise on the screen; at most 17 degrees either way

  // From picture to line, whose origin is its centre, and back.
  std::array<double, 2> to_line(double x, double y) const;
  std::array<double, 2> to_picture(double u, double v) const;
};

// Upright box of the line with `margin` more on every side of its rectangle; not cut to the picture.
Box bounds(const LineBox& line, double margin);

struct FoundLine {
  LineBox place;
  int letters = 0;         // regions that make it up
  bool bright = false;     // brighter than what surrounds it
  Box box;                 // where `ink` lies in the picture
  std::vector<char> ink;   // [box.height * box.width] 1 where a pixel belongs to a letter
};

// Candidates, largest letters first, at most `limit`; what overlaps is left in, since only reading can tell which one is right. Empty when
// nothing looks like writing. Pictures of any size; letters from about 7 pixels to half the height of the picture.
std::vector<FoundLine> find_text_lines(const Image& image, std::size_t limit = 12);

}  // namespace safelight
