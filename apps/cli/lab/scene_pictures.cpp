#include "apps/cli/lab/scene_pictures.h"

#include <algorithm>

#include "engine/training/checker/scene_vision.h"
#include "engine/training/scenes/scene_render.h"

namespace safelight::app {

Image rendered(const Scene& scene, int side) {
  Image image{.width = side, .height = side, .channels = 3, .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3)};
  render_scene(scene, side, image.pixels.data());
  return image;
}

bool reads_sign(const Image& image, const std::string& text) {
  const SeenScene scene = see(image.pixels.data(), image.width);
  return std::any_of(scene.signs.begin(), scene.signs.end(), [&](const SeenSign& s) { return s.text == text; });
}

SceneOptions half_of_signs(SceneOptions world) {
  double& sign = world.share[static_cast<std::size_t>(SceneKind::sign)];
  double others = -sign;
  for (const double share : world.share) others += share;
  if (sign > 0 && others > 0) sign = others;
  return world;
}

}  // namespace safelight::app
