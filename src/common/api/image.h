// A picture in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace safelight {

// 8 bits a sample, rows top to bottom, samples interleaved. channels: 1 gray, 3 RGB; 4 RGB and alpha, for writing alone.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;
};

}  // namespace safelight
