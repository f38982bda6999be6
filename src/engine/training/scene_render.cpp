#include "engine/training/scene_render.h"

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

constexpr int kSamples = 3;

struct Box {
  int x0, y0, x1, y1;
};

Box box_of(const SceneObject& o, int side) {
  const auto low = [&](double c) { return std::clamp(static_cast<int>(std::floor((c - o.radius) * side)), 0, side); };
  const auto high = [&](double c) { return std::clamp(static_cast<int>(std::ceil((c + o.radius) * side)) + 1, 0, side); };
  return {low(o.x), low(o.y), high(o.x), high(o.y)};
}

int covered_samples(const SceneObject& o, int side, int px, int py) {
  int hits = 0;
  for (int sy = 0; sy < kSamples; ++sy)
    for (int sx = 0; sx < kSamples; ++sx) {
      const double x = (px + (sx + 0.5) / kSamples) / side, y = (py + (sy + 0.5) / kSamples) / side;
      hits += inside(o.shape, (x - o.x) / o.radius, (y - o.y) / o.radius);
    }
  return hits;
}

std::uint8_t blend(std::uint8_t under, std::uint8_t over, int hits) {
  const int total = kSamples * kSamples;
  return static_cast<std::uint8_t>((under * (total - hits) + over * hits + total / 2) / total);
}

}  // namespace

bool inside(Shape shape, double dx, double dy) {
  const double r2 = dx * dx + dy * dy;
  switch (shape) {
    case Shape::circle: return r2 <= 1;
    case Shape::square: return std::max(std::abs(dx), std::abs(dy)) <= 0.88;
    case Shape::triangle: return dy <= 0.8 && dy >= -1 && std::abs(dx) <= (dy + 1) / 1.8;
    case Shape::diamond: return std::abs(dx) / 0.8 + std::abs(dy) <= 1;
    case Shape::cross: return std::min(std::abs(dx), std::abs(dy)) <= 0.3 && std::max(std::abs(dx), std::abs(dy)) <= 1;
    case Shape::ring: return r2 <= 1 && r2 >= 0.55 * 0.55;
  }
  return false;
}

void render_scene(const Scene& scene, const SceneOptions& options, std::uint8_t* out) {
  const int side = options.image_px;
  const Rgb back = rgb(scene.background);
  for (int i = 0; i < side * side; ++i) {
    out[3 * i] = back.r;
    out[3 * i + 1] = back.g;
    out[3 * i + 2] = back.b;
  }
  for (const SceneObject& o : scene.objects) {
    const Box box = box_of(o, side);
    const Rgb c = rgb(o.colour);
    for (int y = box.y0; y < box.y1; ++y)
      for (int x = box.x0; x < box.x1; ++x) {
        const int hits = covered_samples(o, side, x, y);
        if (hits == 0) continue;
        std::uint8_t* p = out + 3 * (y * side + x);
        p[0] = blend(p[0], c.r, hits);
        p[1] = blend(p[1], c.g, hits);
        p[2] = blend(p[2], c.b, hits);
      }
  }
}

std::vector<std::uint8_t> object_mask(const SceneObject& o, const SceneOptions& options) {
  const int side = options.image_px;
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(side * side), 0);
  const Box box = box_of(o, side);
  for (int y = box.y0; y < box.y1; ++y)
    for (int x = box.x0; x < box.x1; ++x)
      mask[static_cast<std::size_t>(y * side + x)] =
          static_cast<std::uint8_t>(255 * covered_samples(o, side, x, y) / (kSamples * kSamples));
  return mask;
}

}  // namespace safelight
