// What a picture is made of, without knowing what it shows: its areas of one colour, how they are spread, whether small ones
// stand in a row, and whether a straight step runs all the way across.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/api/image.h"

namespace safelight {

// A rectangle of a picture, in pixels. A width or height of 0: the whole picture.
struct PixelRegion {
  int x = 0, y = 0, width = 0, height = 0;
};

// The part of the picture inside the region. Throws Error(invalid_argument) for a region that is not inside the picture.
Image cropped(const Image& image, const PixelRegion& region);

// A part is a connected area (4-neighbours whose colours differ by at most kSameArea levels in every channel) of at least 0.4 % of the
// picture. The area that holds the most of the picture's border is its background and no part.
struct PartStatistics {
  double parts = 0;
  double alike = 0;            // the most parts that share a mean colour
  double part_share = 0;       // of the pixels, 0..1
  double largest_share = 0;    // of the parts' pixels, 0..1
  double centre_x = 0.5, centre_y = 0.5;  // centre of gravity of the parts, 0..1
  double misalignment = 0;     // rms distance of the lower ends of letter-like parts from a straight line, in their median heights; 0 for fewer than three
  double seam = 0;             // median step across the strongest straight line from edge to edge less that of its neighbours, levels 0..255
};

inline constexpr int kSameArea = 20;

PartStatistics part_statistics(const Image& image);
// Name and value of every field, in order.
std::vector<std::pair<std::string, double>> listed(const PartStatistics& s);

}  // namespace safelight
