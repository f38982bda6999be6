// Which background a picture has.
#pragma once

#include <optional>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

struct Ground {
  Tone tone = Tone::white;
  Pattern pattern = Pattern::plain;
};

// The tone and pattern whose drawing is nearest, over the pixels that are `free` of objects ([side, side]). Nothing if none is
// near, or nothing is free.
std::optional<Ground> see_ground(const std::uint8_t* rgb, int side, const std::vector<char>& free);

}  // namespace safelight
