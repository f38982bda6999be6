// A field of numbers over a picture, and the few operations that reading and writing text need on it.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "common/api/image.h"

namespace safelight {

struct Box {
  int x = 0, y = 0, width = 0, height = 0;  // pixels

  int right() const { return x + width; }   // one past the last column
  int bottom() const { return y + height; }
  bool empty() const { return width <= 0 || height <= 0; }
};

Box intersection(const Box& a, const Box& b);
// Grown by `margin` on each side, within a picture of width * height.
Box grown(const Box& box, int margin, int width, int height);

struct Raster {
  int width = 0, height = 0;
  std::vector<float> values;  // [height * width]

  Raster() = default;
  Raster(int w, int h, float value = 0) : width(w), height(h), values(static_cast<std::size_t>(w) * h, value) {}
  float& at(int x, int y) { return values[static_cast<std::size_t>(y) * width + x]; }
  float at(int x, int y) const { return values[static_cast<std::size_t>(y) * width + x]; }
};

// The colour of a pixel; gray pictures give the same value three times.
std::array<float, 3> colour_at(const Image& image, int x, int y);

// The part of the picture in `box`, which lies within it.
Image cropped(const Image& image, const Box& box);

// Between the four nearest pixels; (0.5, 0.5) is the centre of the first. Outside: `outside`.
float sampled(const Raster& raster, double x, double y, float outside);

// Convolved with a Gaussian of `sigma` pixels; edges continue. sigma 0: as it is.
Raster blurred(const Raster& raster, double sigma);

// Mean over the pixels that fall under each new one, or between the nearest where it grows.
Raster scaled(const Raster& raster, int width, int height);

// Standard deviation of the noise: the median size of the response to a mask that no plane and no straight edge excites
// (Immerkaer, 1996, "Fast noise variance estimation"), so that letters hardly count.
double noise_of(const Raster& raster);

// 1 where a pixel within `radius` (a square) is set.
std::vector<char> dilated(const std::vector<char>& mask, int width, int height, int radius);

}  // namespace safelight
