// What can be said of a finished picture by looking at its pixels, and of a latent by its numbers. Shared by the image
// probe and the artifact scores, so that both mean the same.
#pragma once

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/api/image.h"

namespace safelight {

// Values are in units of the 0..255 scale unless a share (0..1).
struct ImageStatistics {
  double mean_luma = 0, std_luma = 0;
  double clip_low = 0, clip_high = 0;  // shares of samples at 0 and 255
  double mean_chroma = 0, max_chroma = 0;  // of max - min over r, g, b; max is the 99th percentile
  double cast_red = 0, cast_blue = 0;  // mean red - green, blue - green
  double noise = 0;                    // standard deviation on the flattest tenth of 4x4 tiles (Haar HH, MAD / 0.6745)
  double sharpness = 0;                // 95th percentile of the gradient
  double texture = 0;                  // median gradient: high when flat areas are not flat
  double shading = 0;                  // share of pixels whose strongest channel changes by 3 to 16 to a neighbour: smear
  double soft_edges = 0;               // those pixels per pixel on a real edge (over 16)
  double banding = 0;                  // share of pixels in runs of >= 8 equal luma that end in a one-level step
  double blockiness = 0;               // gradient on the 8-pixel grid / beside it, on smooth areas
  double distinct_colours = 0;         // colour cells (16 levels a channel) that hold over 0.5 % of the pixels
};

ImageStatistics image_statistics(const Image& image);
// Name and value of every field, in order.
std::vector<std::pair<std::string, double>> listed(const ImageStatistics& s);

struct LatentStatistics {
  std::vector<double> mean, std;       // per channel
  std::vector<double> roughness;       // per channel: mean square of neighbouring differences / (2 variance), 0..2
  std::vector<double> kurtosis;        // per channel: 3 for a normal distribution
  double rms = 0, max_abs = 0;
  double high_frequency = 0;           // energy of neighbouring differences / energy about the mean
};
LatentStatistics latent_statistics(std::span<const float> values, std::size_t channels, std::size_t height, std::size_t width);

}  // namespace safelight
