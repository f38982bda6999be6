// A board to write on: a rectangle of one colour with something on it, found without reading what that is. For signs whose letters are no letters.
#pragma once

#include <optional>
#include <vector>

#include "finish/typography/ink.h"

namespace safelight {

struct SignBoard {
  LineBox place;
  InkedLine writing;   // all that is on it, as one line
};

// The largest first. A board shows its colour along half of each of its four sides at least, lies within 17 degrees of level, is at least 14 pixels high, and
// between 4 and 75 % of it is covered. None in pictures of more than 16 million pixels.
std::vector<SignBoard> sign_boards(const Image& image);

// Of these boards the one on which most of the `lines` stand (of a board on a panel the board); without lines the largest there is. As a line that takes the middle of the
// board, as signs are usually lettered, with everything on it to be written over. Empty when there is none.
std::optional<InkedLine> board_under(std::vector<SignBoard> boards, const std::vector<LineBox>& lines);

}  // namespace safelight
