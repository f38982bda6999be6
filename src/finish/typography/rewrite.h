// One line of a picture erased and set anew.
#pragma once

#include "finish/typography/match_face.h"

namespace safelight {

// How the new text looks.
struct Style {
  std::array<double, 3> ink_delta{};  // the ink's colour minus the board's
  double blur_px = 0;                 // of its edges, standard deviation
  bool plate = false;                 // on a plain box instead of the board
};

// The picture's own style; the same with sharp edges and black or white ink, whichever stands out more; that on a plate.
Style same_style(const InkedLine& line);
Style strong_style(const InkedLine& line);
Style plate_style(const InkedLine& line);

// Erases the old ink of `line` and draws `lettering`. Sets `mask` ([height * width] of the picture) to 255 where it wrote; no other pixel changes.
void rewrite_line(const Typesetter& typesetter, const InkedLine& line, const Lettering& lettering, const Style& style, Image& image, std::vector<std::uint8_t>& mask);

}  // namespace safelight
