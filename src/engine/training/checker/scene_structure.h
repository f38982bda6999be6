// How well made a picture of a scene is, whatever was asked for: kept apart from what a prompt claims.
#pragma once

#include <string>
#include <vector>

#include "engine/training/checker/scene_vision.h"

namespace safelight {

// Unclear, ragged, merged or cut off objects, specks, letters that are none, a background of no kind. Empty for a well made
// picture.
std::vector<std::string> structural_problems(const SeenScene& scene);
std::vector<std::string> structural_problems(const std::uint8_t* rgb, int side);

}  // namespace safelight
