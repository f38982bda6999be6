// What a board would look like with nothing written on it.
#pragma once

#include "finish/typography/ink.h"

namespace safelight {

// Colours of the pixels of `box` (in the picture) as if those of `mask` ([box.height * box.width], 1: to be erased) were blank board; the others as
// they are. A board without texture gets its fitted colour with grain of the same strength; one with texture is continued from pieces of itself that
// fit what is left round the gap (after Efros and Freeman, 2001, "Image quilting"). The same input gives the same bytes.
std::vector<std::array<float, 3>> erased(const Image& image, const Board& board, const Box& box, const std::vector<char>& mask);

}  // namespace safelight
