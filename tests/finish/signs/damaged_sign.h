// Signs to repair: rendered with the wrong text on them, from a seed alone.
#pragma once

#include <string>

#include "common/api/image.h"

namespace safelight {

struct DamagedSign {
  std::string intended, painted;   // what it should say, what it says
  std::string damage;              // swapped, dropped, doubled, blurred
  std::string board;               // plain, gradient, grain, planks, bricks, specks
  std::string face;                // Pango's description of the font
  double cap_height_px = 0;        // 20..80
  double angle_deg = 0;            // -15..15, clockwise
  double contrast = 0;             // luma between board and ink, grey levels
  double noise = 0;                // standard deviation, grey levels
  Image image;
  double centre_x = 0, centre_y = 0, board_width = 0, board_height = 0;  // of the board, turned by the angle
};

// The same seed gives the same bytes where the same fonts are installed.
DamagedSign damaged_sign(unsigned seed);

}  // namespace safelight
