#include "engine/training/checker/shape_match.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/training/scenes/scene_render.h"

namespace safelight {
namespace {

constexpr int kCells = 160;          // of a template, across and down
constexpr int kFine = 2;             // samples across a pixel
constexpr double kReach = 1.25;      // a template covers -kReach .. kReach in units of the radius

struct Template {
  std::array<char, kCells * kCells> cells{};
  double area = 0, x = 0, y = 0;     // in units of the radius; centre of gravity from the shape's centre
};

Template make_template(Shape shape) {
  Template t;
  double n = 0;
  for (int j = 0; j < kCells; ++j)
    for (int i = 0; i < kCells; ++i) {
      const double dx = ((i + 0.5) / kCells * 2 - 1) * kReach, dy = ((j + 0.5) / kCells * 2 - 1) * kReach;
      const bool in = inside(shape, dx, dy);
      t.cells[static_cast<std::size_t>(j * kCells + i)] = in;
      if (in) t.x += dx, t.y += dy, ++n;
    }
  t.area = n * (2 * kReach / kCells) * (2 * kReach / kCells);
  t.x /= n;
  t.y /= n;
  return t;
}

const Template& template_of(Shape shape) {
  static const auto kAll = [] {
    std::array<Template, kShapes> all;
    for (int s = 0; s < kShapes; ++s) all[static_cast<std::size_t>(s)] = make_template(static_cast<Shape>(s));
    return all;
  }();
  return kAll[static_cast<std::size_t>(shape)];
}

struct Placed {
  double x, y, radius;   // of the shape, relative to the coverage
};

// Template cells under the samples of a row or column of pixels; -1 outside the template.
std::vector<int> cells_under(int pixels, double centre, double radius) {
  std::vector<int> out(static_cast<std::size_t>(pixels * kFine));
  const double scale = kCells / (2 * kReach * radius);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int cell = static_cast<int>(std::floor(((static_cast<double>(i) + 0.5) / kFine - centre) * scale + kCells / 2.0));
    out[i] = cell >= 0 && cell < kCells ? cell : -1;
  }
  return out;
}

// The shape drawn over the pixels of `c`.
Coverage drawn(const Coverage& c, const Template& t, const Placed& p) {
  const std::vector<int> columns = cells_under(c.width, p.x, p.radius), rows = cells_under(c.height, p.y, p.radius);
  Coverage out{.x0 = c.x0, .y0 = c.y0, .width = c.width, .height = c.height, .cells = std::vector<float>(c.cells.size())};
  for (std::size_t j = 0; j < rows.size(); ++j) {
    if (rows[j] < 0) continue;
    const char* cells = t.cells.data() + rows[j] * kCells;
    float* row = out.cells.data() + static_cast<std::ptrdiff_t>(j / kFine) * c.width;
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i] >= 0 && cells[columns[i]]) row[i / kFine] += 1.0f / (kFine * kFine);
  }
  return out;
}

// Every pixel becomes the mean of the three by three around it.
Coverage blurred(const Coverage& c) {
  Coverage across = c, out = c;
  const auto at = [](const Coverage& in, int x, int y) { return x < 0 || y < 0 || x >= in.width || y >= in.height ? 0.0f : in.at(x, y); };
  for (int y = 0; y < c.height; ++y)
    for (int x = 0; x < c.width; ++x) across.cells[static_cast<std::size_t>(y * c.width + x)] = (at(c, x - 1, y) + c.at(x, y) + at(c, x + 1, y)) / 3;
  for (int y = 0; y < c.height; ++y)
    for (int x = 0; x < c.width; ++x) out.cells[static_cast<std::size_t>(y * c.width + x)] = (at(across, x, y - 1) + across.at(x, y) + at(across, x, y + 1)) / 3;
  return out;
}

double overlap(const Coverage& a, const Coverage& b) {
  float both = 0, either = 1e-6f;
  for (std::size_t i = 0; i < a.cells.size(); ++i) both += std::min(a.cells[i], b.cells[i]), either += std::max(a.cells[i], b.cells[i]);
  return both / either;
}

}  // namespace

ShapeMatch match_shape(const Coverage& coverage) {
  double area = 0, x = 0, y = 0;
  for (int j = 0; j < coverage.height; ++j)
    for (int i = 0; i < coverage.width; ++i) {
      const double share = coverage.at(i, j);
      area += share, x += share * (i + 0.5), y += share * (j + 0.5);
    }
  ShapeMatch out;
  if (area == 0) return out;
  for (int s = 0; s < kShapes; ++s) {
    const Template& t = template_of(static_cast<Shape>(s));
    const double radius = std::sqrt(area / t.area);
    const Placed placed{x / area - t.x * radius, y / area - t.y * radius, radius};
    const Coverage sharp = drawn(coverage, t, placed);
    const double score = std::max(overlap(coverage, sharp), overlap(coverage, blurred(sharp)));  // the picture may be blurred
    if (score > out.score) {
      out.runner_up = out.shape, out.runner_up_score = out.score;
      out = {static_cast<Shape>(s), out.runner_up, score, out.runner_up_score, coverage.x0 + placed.x, coverage.y0 + placed.y, radius};
    } else if (score > out.runner_up_score) {
      out.runner_up = static_cast<Shape>(s), out.runner_up_score = score;
    }
  }
  return out;
}

}  // namespace safelight
