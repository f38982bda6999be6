// Pictures side by side on a dark ground.
#pragma once

#include <vector>

#include "common/api/image.h"

namespace safelight::app {

// RGB pictures of one size, row by row; empty without any.
Image picture_grid(const std::vector<const Image*>& pictures, int columns);

}  // namespace safelight::app
