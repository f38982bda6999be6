#include "apps/lab/picture_grid.h"

#include <algorithm>

namespace safelight::app {

Image picture_grid(const std::vector<const Image*>& pictures, int columns) {
  if (pictures.empty()) return {};
  constexpr int kGap = 4;
  const int width = pictures[0]->width, height = pictures[0]->height, rows = (static_cast<int>(pictures.size()) + columns - 1) / columns;
  Image grid{.width = columns * (width + kGap) + kGap, .height = rows * (height + kGap) + kGap, .channels = 3, .pixels = {}};
  grid.pixels.assign(static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height) * 3, 40);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const int x0 = kGap + static_cast<int>(i) % columns * (width + kGap), y0 = kGap + static_cast<int>(i) / columns * (height + kGap);
    for (int y = 0; y < height; ++y) std::copy_n(pictures[i]->pixels.begin() + y * width * 3, width * 3, grid.pixels.begin() + ((y0 + y) * grid.width + x0) * 3);
  }
  return grid;
}

}  // namespace safelight::app
