#include "insight/diagnosis/colour_shift.h"

#include <algorithm>

namespace safelight {
namespace {

// Mean colour of a picture, 0..255.
std::array<double, 3> mean_colour(const Image& image) {
  std::array<double, 3> sum{};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) sum[i % 3] += image.pixels[i];
  for (double& v : sum) v /= std::max(1.0, static_cast<double>(image.pixels.size()) / 3);
  return sum;
}

}  // namespace

std::optional<ColourShift> colour_shift(const TraceReader& from, const TraceReader& to, const std::vector<std::vector<double>>& channel_to_rgb) {
  const StoredTensor a = from.final_latent(), b = to.final_latent();
  const auto image = from.image(0), other = to.image(0);
  if (a.shape.size() != 3 || a.shape != b.shape || !image || !other || image->channels != 3 || other->channels != 3) return std::nullopt;
  const auto channels = static_cast<std::size_t>(a.shape[0]);
  if (channel_to_rgb.size() != channels) return std::nullopt;
  const std::size_t area = a.values.size() / channels;
  const auto before = mean_colour(*image), after = mean_colour(*other);
  ColourShift shift;
  for (std::size_t c = 0; c < channels; ++c) {
    double moved = 0;
    for (std::size_t i = c * area; i < (c + 1) * area; ++i) moved += (static_cast<double>(b.values[i]) - a.values[i]) / static_cast<double>(area);
    for (std::size_t k = 0; k < 3; ++k) shift.predicted[k] += moved * channel_to_rgb[c].at(k);
  }
  for (std::size_t k = 0; k < 3; ++k) shift.measured[k] = after[k] - before[k];
  return shift;
}

}  // namespace safelight
