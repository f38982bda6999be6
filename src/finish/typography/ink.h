// What a line of writing is made of: the board's colour, the ink's colour, and how much ink each pixel holds.
#pragma once

#include <functional>
#include <optional>

#include "finish/typography/text_lines.h"

namespace safelight {

// The board under a line: colour = p[0] + p[1] * x + p[2] * y per channel, 0..255, x and y in pixels of the picture.
struct Board {
  std::array<std::array<double, 3>, 3> plane{};
  double noise = 0;  // standard deviation round the plane, grain and texture together, grey levels

  std::array<double, 3> colour(double x, double y) const;
};

struct InkedLine {
  LineBox place;                         // of the ink, measured anew
  bool bright = false;                   // the ink is brighter than the board
  Board board;
  std::array<double, 3> ink_delta{};     // the ink's colour minus the board's
  double edge_px = 0;                    // how many pixels an edge of a letter takes: about 1 for sharp ones
  Box box;                               // where `ink` and `known` lie in the picture
  Raster ink;                            // 0..1, zero away from the letters
  std::vector<char> letters;             // 1 where `ink` is a letter's; the rest is what the board has of that colour
  std::vector<char> board_pixels;        // 1 where the board shows and nothing else does
};

// Measures the line. The board's colour comes from pixels round the letters, by a fit that strangers among them do not move.
InkedLine inked(const Image& image, const FoundLine& line);

// What is on a board as one line: everything further than `margin` from its sides is ink. `own`: [box.height * box.width] 1 where the
// board's colour shows. Empty when less than 4 or more than 75 % of the board is covered, or nothing on it stands out.
std::optional<InkedLine> inked_board(const Image& image, const Box& box, const std::vector<char>& own, const LineBox& board, double margin);

// Along which side of the rectangle, `inset` pixels inside it, `full` holds at the fewest of 64 places: the share of these.
double emptiest_side(const LineBox& place, double inset, const std::function<bool(double x, double y)>& full);

// False for a board with something on it, whose "ink" fills the rim of its own rectangle on all four sides, and for holes in letters, which have the
// colour of the board (less than its noise and 6 grey levels apart).
bool may_be_writing(const InkedLine& line);

// The board that fills most of `region`.
Board fitted_board(const Image& image, const Box& region);

// The line turned level, dark on white, its ink `height` pixels high, a margin round it. blur_px: of the Gaussian that smooths it before, in
// pixels of the picture; `stretch`: contrast drawn out so that a hundredth of the pixels saturates at either end.
Image level_line(const InkedLine& line, int height, double blur_px, bool stretch);

}  // namespace safelight
