#include "engine/training/scenes/scene_render.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/training/scenes/glyphs.h"

namespace safelight {
namespace {

constexpr int kSamples = 4;                       // per side of a pixel on an edge
constexpr int kAll = kSamples * kSamples;

struct Box {
  int x0, y0, x1, y1;
};

Box box_of(double x, double y, double half_width, double half_height, int side) {
  const auto low = [&](double c) { return std::clamp(static_cast<int>(std::floor(c * side)), 0, side); };
  const auto high = [&](double c) { return std::clamp(static_cast<int>(std::ceil(c * side)) + 1, 0, side); };
  return {low(x - half_width), low(y - half_height), high(x + half_width), high(y + half_height)};
}

// Calls paint(pixel, hits of kAll) for every pixel that the object touches. Pixels whose four corners and centre agree
// are taken as full or empty; only the others are sampled.
template <class Paint>
void rasterise(const SceneObject& o, int side, Paint&& paint) {
  const Box box = box_of(o.x, o.y, o.radius, o.radius, side);
  const double scale = 1.0 / (side * o.radius), ox = o.x / o.radius, oy = o.y / o.radius;
  const auto in = [&](double px, double py) { return inside(o.shape, px * scale - ox, py * scale - oy); };
  std::vector<char> above(static_cast<std::size_t>(box.x1 - box.x0 + 1)), below(above.size());
  const auto corners = [&](int y, std::vector<char>& row) {
    for (int x = box.x0; x <= box.x1; ++x) row[static_cast<std::size_t>(x - box.x0)] = in(x, y);
  };
  corners(box.y0, above);
  for (int y = box.y0; y < box.y1; ++y, std::swap(above, below)) {
    corners(y + 1, below);
    for (int x = box.x0; x < box.x1; ++x) {
      const auto i = static_cast<std::size_t>(x - box.x0);
      const int agree = above[i] + above[i + 1] + below[i] + below[i + 1] + in(x + 0.5, y + 0.5);
      int hits = agree == 5 ? kAll : 0;
      if (agree > 0 && agree < 5)
        for (int s = 0; s < kAll; ++s) hits += in(x + (s % kSamples + 0.5) / kSamples, y + (s / kSamples + 0.5) / kSamples);
      if (hits > 0) paint(static_cast<std::size_t>(y * side + x), hits);
    }
  }
}

// A rectangle by its middle; fractions of the side.
struct Board {
  double x, y, half_width, half_height;
};

Board board_of(const Sign& s) { return {s.x, s.y, s.half_width, s.half_height}; }

// Where the letters stand on a sign: their top left and their height, fractions of the side.
struct Lettering {
  double x, y, height;
};

Lettering lettering_of(const Sign& s) {
  constexpr double kMargin = 0.05;
  return {s.x - s.half_width + kMargin, s.y - s.half_height + kMargin, 2 * (s.half_height - kMargin)};
}

// Coverage of the pixel by a rectangle, of kAll.
template <class Paint>
void rasterise(const Board& s, int side, Paint&& paint) {
  const Box box = box_of(s.x, s.y, s.half_width, s.half_height, side);
  const auto part = [&](double centre, double half, int p) {
    return std::clamp(std::min((centre + half) * side, p + 1.0) - std::max((centre - half) * side, static_cast<double>(p)), 0.0, 1.0);
  };
  for (int y = box.y0; y < box.y1; ++y)
    for (int x = box.x0; x < box.x1; ++x) {
      const int hits = static_cast<int>(std::lround(kAll * part(s.x, s.half_width, x) * part(s.y, s.half_height, y)));
      if (hits > 0) paint(static_cast<std::size_t>(y * side + x), hits);
    }
}

std::uint8_t blend(std::uint8_t under, std::uint8_t over, int hits) {
  return static_cast<std::uint8_t>((under * (kAll - hits) + over * hits + kAll / 2) / kAll);
}

auto painter(std::uint8_t* out, Rgb c) {
  return [out, c](std::size_t pixel, int hits) {
    std::uint8_t* p = out + 3 * pixel;
    p[0] = blend(p[0], c.r, hits);
    p[1] = blend(p[1], c.g, hits);
    p[2] = blend(p[2], c.b, hits);
  };
}

// Patterns have a fixed grid: an eighth of the side.
void draw_background(const Scene& scene, int side, std::uint8_t* out) {
  const std::uint8_t first = rgb(scene.tone).r, second = second_rgb(scene.tone).r;
  const int cell = std::max(side / 8, 1);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      std::uint8_t v = first;
      if (scene.pattern == Pattern::gradient) v = static_cast<std::uint8_t>(first + (second - first) * y / std::max(side - 1, 1));
      if (scene.pattern == Pattern::striped && (y / cell) % 2 == 1) v = second;
      if (scene.pattern == Pattern::checkered && (x / cell + y / cell) % 2 == 1) v = second;
      std::fill_n(out + 3 * (y * side + x), 3, v);
    }
}

bool in_star(double dx, double dy) {  // five points; the inner radius is half the outer
  constexpr double kSector = 2 * std::numbers::pi / 5;
  const double r = std::hypot(dx, dy);
  double angle = std::fmod(std::atan2(dx, -dy) + 4 * std::numbers::pi, kSector);
  angle = std::min(angle, kSector - angle);  // from the nearest point
  // The edge runs from (0, 1) to the inner corner at half a sector.
  constexpr double kInner = 0.5;
  const double px = r * std::sin(angle), py = r * std::cos(angle);
  const double ex = kInner * std::sin(kSector / 2), ey = kInner * std::cos(kSector / 2) - 1;
  return ex * (py - 1) - ey * px <= 0;
}

bool in_heart(double dx, double dy) {  // two discs over a point
  const double x = std::abs(dx), y = dy;
  if ((x - 0.48) * (x - 0.48) + (y + 0.4) * (y + 0.4) <= 0.5 * 0.5) return true;
  return y >= -0.4 && y <= 0.92 && x <= 0.98 * (0.92 - y) / (0.92 + 0.22) && (y >= -0.22 || x <= 0.48);
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
    case Shape::star: return r2 <= 1 && in_star(dx, dy);
    case Shape::heart: return in_heart(dx, dy);
  }
  return false;
}

void render_scene(const Scene& scene, int side, std::uint8_t* out) {
  draw_background(scene, side, out);
  for (const SceneObject& o : scene.objects) rasterise(o, side, painter(out, rgb(o.colour)));
  if (!scene.sign) return;
  const Sign& s = *scene.sign;
  rasterise(board_of(s), side, painter(out, rgb(s.colour)));
  const Lettering letters = lettering_of(s);
  const Rgb ink = dark_letters(s.colour) ? Rgb{16, 16, 16} : Rgb{244, 244, 244};
  draw_letters(out, side, s.text, s.font, letters.x * side, letters.y * side, letters.height * side, ink);
}

namespace {

template <class Figure>
std::vector<std::uint8_t> mask_of(const Figure& figure, int side) {
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(side * side), 0);
  rasterise(figure, side, [&](std::size_t pixel, int hits) { mask[pixel] = static_cast<std::uint8_t>(255 * hits / kAll); });
  return mask;
}

}  // namespace

std::vector<std::uint8_t> object_mask(const SceneObject& o, int side) { return mask_of(o, side); }

std::vector<std::uint8_t> sign_mask(const Sign& s, int side) { return mask_of(board_of(s), side); }

std::vector<std::vector<std::uint8_t>> letter_masks(const Sign& s, int side) {
  const Lettering at = lettering_of(s);
  std::vector<std::vector<std::uint8_t>> masks;
  for (const auto& [left, right] : letter_boxes(s.text, s.font))
    masks.push_back(mask_of(Board{at.x + at.height * (left + right) / 2, at.y + at.height / 2, at.height * (right - left) / 2, at.height / 2}, side));
  return masks;
}

}  // namespace safelight
