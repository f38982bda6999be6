// Resampling with the three-lobed Lanczos kernel (Duchon, 1979): what a picture is enlarged with where no model does it, and what
// upscalers are measured against.
#pragma once

#include "common/api/image.h"

namespace safelight {

// Separable; the kernel widens where the picture shrinks, and weights that fall outside the picture go to those inside. Sides from 1
// up; the same size gives the same bytes. Throws Error(invalid_argument) for an empty picture or side.
Image lanczos_resized(const Image& image, int width, int height);

}  // namespace safelight
