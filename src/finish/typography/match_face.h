// Which font, how large and where: so that new text looks like the old.
#pragma once

#include "finish/typography/typeset.h"
#include "finish/typography/ink.h"

namespace safelight {

struct FaceMatch {
  Face face;
  double likeness = 0;  // 0..1: how much of the ink that is there the same text in this face would cover; 0 when the old text is unknown
};

// Faces that can write both texts, the likest first. `read`: what the line says now; empty when that is not known, which keeps the order of the table.
std::vector<FaceMatch> matching_faces(const Typesetter& typesetter, const InkedLine& line, const std::string& read, const std::string& expected);

// `expected` in `face` as the old text stands: its size, its baseline, its stretch, its middle. It is narrowed, and then made smaller, until it fits
// into `left` .. `right` (pixels along the line from its centre).
Lettering placed(const Typesetter& typesetter, const InkedLine& line, const std::string& read, const std::string& expected, const Face& face, double left, double right);

// How far the board goes on to the left and right of the line's centre, pixels; what is written there counts as board.
std::array<double, 2> room(const Image& image, const InkedLine& line);

}  // namespace safelight
