// What a picture of few steps may need: less noise, no bands, sharper edges. Plain arithmetic with plain parameters, nothing learned.
#pragma once

#include "common/api/image.h"

namespace safelight {

struct PostFilter {
  double denoise = 0;  // 0..64 grey levels: neighbours that differ by about so much or less are averaged, edges well above it stay. 0: off
  double deband = 0;   // 0..8 grey levels: steps of up to so much are smoothed where nothing else happens within 16 pixels. 0: off
  double sharpen = 0;  // 0..2: how much of the difference to a blurred copy is added; never beyond the values that neighbours have. 0: off
};

// Denoise, then deband, then sharpen. All off: the same bytes. The same input gives the same bytes. Throws Error(invalid_argument) for a value out of
// range or a picture whose size does not match its pixels.
Image post_filtered(const Image& image, const PostFilter& filter);

// What a filter did, for the record of a stage: statistics of common/measure before and after.
struct FilterEffect {
  double noise[2] = {}, banding[2] = {}, sharpness[2] = {};
};
FilterEffect filter_effect(const Image& before, const Image& after);

}  // namespace safelight
