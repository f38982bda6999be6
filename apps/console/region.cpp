#include "apps/console/region.h"

#include <cstdio>

#include "common/base/error.h"

namespace safelight::app {

PixelRegion region_of(const std::string& text) {
  PixelRegion r;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d,%d,%d,%d%c", &r.x, &r.y, &r.width, &r.height, &rest) != 4 || r.width <= 0 || r.height <= 0)
    throw Error(ErrorCode::invalid_argument, "--region '" + text + "' is not x,y,w,h in pixels, for example 10,20,40,40");
  return r;
}

}  // namespace safelight::app
