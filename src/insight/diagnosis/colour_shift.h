// What the latents of two runs say about the difference of their colours, and what the pixels say.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "common/trace/trace.h"

namespace safelight {

struct ColourShift {
  std::array<double, 3> predicted{}, measured{};  // of the mean colour, -255..255
};

// From `from` to `to`. `channel_to_rgb`: as the baseline has it, a row per channel. Nothing where there is no row for a channel, where a run has no final latent or
// no colour picture, or where their sizes differ.
std::optional<ColourShift> colour_shift(const TraceReader& from, const TraceReader& to, const std::vector<std::vector<double>>& channel_to_rgb);

}  // namespace safelight
