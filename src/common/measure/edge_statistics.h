// How well the edges and areas of a picture hang together, from its pixels alone.
#pragma once

#include <optional>

#include "common/api/image.h"

namespace safelight {

// Aliasing: how far edges stray from smooth curves, in pixels. Where an edge crosses a row (a column, for flat edges), its place is the
// centre of gravity of the change of colour, which is exact for a straight edge drawn with full anti-aliasing. Four places in a row
// are compared by their third difference, which is 0 for any parabola; its mean size is given as the standard deviation of the
// independent normal errors that would make it: about 0 for a well drawn edge, 0.3 for stairs (slanted edges drawn without
// anti-aliasing). Only strong edges with calm on both sides count; nothing where there are none.
// Source: edge location by moments (Lyvers and others, 1989, "Subpixel measurements using a moment-based edge operator"); the
// third difference is ours.
std::optional<double> edge_jaggedness_px(const Image& image);

// Local incoherence: the gradient that follows no common direction, in levels (0 .. 255) per pixel. The mean over the pixels of the
// square root of the smaller eigenvalue of the colour structure tensor (Di Zenzo, 1986, "A note on the gradient of a multi-image";
// Bigun and Granlund, 1987, "Optimal orientation detection of linear symmetry"), gathered over 5 x 5 pixels and averaged over the
// channels. 0 for flat areas, smooth gradients and straight edges; corners count a little; mottle, noise and torn edges count fully.
double local_incoherence(const Image& image);

}  // namespace safelight
