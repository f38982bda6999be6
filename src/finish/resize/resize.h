// Enlarging with the three-lobed Lanczos kernel through libvips.
#pragma once

#include "common/api/image.h"

namespace safelight {

struct ResizeOptions {
  double factor = 2;          // of both sides, 1..16
  bool linear_light = false;  // RGB only: weigh light instead of sRGB codes; gray pictures refuse it
};

// Edges are continued, so a flat picture stays flat. Throws Error(invalid_argument) for an empty picture or a factor out of range,
// Error(unsupported) for more than 2^28 result pixels, Error(internal) with the library's message.
Image lanczos_enlarged(const Image& image, const ResizeOptions& options = {});

}  // namespace safelight
