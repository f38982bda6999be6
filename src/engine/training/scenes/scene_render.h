// Draws scenes, anti-aliased where a pixel meets an edge.
#pragma once

#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

// Whether a point lies inside the shape; dx, dy from its centre in units of its radius.
bool inside(Shape shape, double dx, double dy);

// rgb: image_px * image_px * 3 bytes, rows top to bottom.
void render_scene(const Scene& scene, int image_px, std::uint8_t* rgb);

// Coverage 0..255 of one object or board, side * side, without what lies over it.
std::vector<std::uint8_t> object_mask(const SceneObject& object, int side);
std::vector<std::uint8_t> sign_mask(const Sign& sign, int side);
// Of the box of each letter of the sign's text.
std::vector<std::vector<std::uint8_t>> letter_masks(const Sign& sign, int side);

}  // namespace safelight
