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

// From `from` to `to`. `latent_to_rgb`: the cheap decode, a row per channel and one for the constant. Nothing where a run has no final latent or
// no colour picture, or where their sizes differ.
std::optional<ColourShift> colour_shift(const TraceReader& from, const TraceReader& to, const std::vector<std::vector<double>>& latent_to_rgb);

}  // namespace safelight
