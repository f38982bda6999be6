// Which shape an area has: overlap with every shape of the world, drawn with the area's own size and centre of gravity.
#pragma once

#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

// How much of every pixel of a part of a picture belongs to something, 0 .. 1.
struct Coverage {
  int x0 = 0, y0 = 0, width = 0, height = 0;
  std::vector<float> cells;
  float at(int x, int y) const { return cells[static_cast<std::size_t>(y * width + x)]; }  // relative to x0, y0
};

struct ShapeMatch {
  Shape shape = Shape::circle, runner_up = Shape::circle;
  double score = 0, runner_up_score = 0;   // intersection over union, 0 .. 1
  double x = 0, y = 0, radius = 0;         // of the best shape, pixels
};

ShapeMatch match_shape(const Coverage& coverage);

}  // namespace safelight
