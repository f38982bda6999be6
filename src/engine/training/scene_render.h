// Draws scenes, anti-aliased by 3 x 3 samples a pixel.
#pragma once

#include <vector>

#include "engine/training/scene.h"

namespace safelight {

// Whether a point lies inside the shape; dx, dy from its centre in units of its radius.
bool inside(Shape shape, double dx, double dy);

// rgb: image_px * image_px * 3 bytes, rows top to bottom.
void render_scene(const Scene& scene, const SceneOptions& options, std::uint8_t* rgb);

// Coverage 0..255 of one object, image_px * image_px.
std::vector<std::uint8_t> object_mask(const SceneObject& object, const SceneOptions& options);

}  // namespace safelight
