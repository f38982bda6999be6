// Proposals for letters: regions that stand out from what surrounds them, dark or bright, at whatever level they do so.
#pragma once

#include <vector>

#include "finish/typography/raster.h"

namespace safelight {

struct LetterRegion {
  Box box;
  std::vector<int> pixels;  // y * width + x
  double tone = 0;          // mean of its values, 0..255
  double variation = 0;     // relative growth of its area over the next levels: small where an edge bounds it
};

// The maximally stable extremal regions that are darker than what surrounds them, of a size that a letter may have (at least 7 pixels high or
// wide, at most 0.9 of the raster). Values are taken as 0..255. `delta`: over how many levels a region must keep its shape.
// Source: Matas, Chum, Urban, Pajdla (2002), "Robust wide baseline stereo from maximally stable extremal regions".
std::vector<LetterRegion> letter_regions(const Raster& raster, int delta);

}  // namespace safelight
