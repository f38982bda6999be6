// A part of a picture, as people write it.
#pragma once

#include <string>

#include "common/measure/part_statistics.h"

namespace safelight::app {

// "x,y,w,h" in pixels. Throws Error(invalid_argument).
PixelRegion region_of(const std::string& text);

}  // namespace safelight::app
