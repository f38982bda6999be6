// Scenes of the closed world as pictures, and what stands on their signs.
#pragma once

#include <string>

#include "common/api/image.h"
#include "engine/training/scenes/scene.h"

namespace safelight::app {

// side x side, RGB.
Image rendered(const Scene& scene, int side);
// Whether the scene checker reads exactly this text on some sign.
bool reads_sign(const Image& image, const std::string& text);
// The world with half of its scenes about signs, where it has both: letters are what small pictures and latents lose first.
SceneOptions half_of_signs(SceneOptions world);

}  // namespace safelight::app
