// Encoded pictures resized with the Lanczos kernel.
#pragma once

#include "service/providers/request.h"

namespace safelight {

// PNG to PNG; bytes, hash and size change. Throws Error(unsupported) for another format, Error(corrupt_file) for a damaged picture.
void enlarge(ProviderImage& image, int width_px, int height_px);

}  // namespace safelight
