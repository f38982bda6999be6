// How far a picture is from the one that it should be.
#pragma once

#include "common/api/image.h"

namespace safelight {

inline constexpr double kMostPsnr_db = 100;   // what equal pictures are given, so that means stay finite

// Whether both have the same size and channels, and at least one pixel.
bool comparable(const Image& a, const Image& b);

// All that follow throw Error(invalid_argument) for pictures that are not comparable.

// Mean absolute difference of the samples, 0..255.
double mean_difference(const Image& a, const Image& b);

// Peak signal-to-noise ratio over all samples, dB; the greater the nearer.
double psnr_db(const Image& a, const Image& b);

// Gradient magnitude similarity deviation (Xue et al., arXiv:1308.3052), mean over the channels and over three scales, each half of the
// one before: 0 for equal pictures, greater where edges were lost, blurred or added. It follows what people see of such damage much
// better than PSNR does, and a shift of all values hardly counts. Sides below 12 pixels have fewer scales, below 3 none (0).
double gradient_difference(const Image& a, const Image& b);

}  // namespace safelight
