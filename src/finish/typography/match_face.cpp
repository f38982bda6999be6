#include "finish/typography/match_face.h"

#include <cmath>

namespace safelight {
namespace {

constexpr double kNarrowest = 0.8;  // of a face's own width, before the text is made smaller instead

// Text in `face` that fills the line's ink exactly.
Lettering filling(const Typesetter& typesetter, const InkedLine& line, const std::string& text, const Face& face) {
  const InkExtents e = typesetter.extents(text, face);
  const double size = line.place.height / e.height;
  return {text, face, line.place, -line.place.width / 2, -line.place.height / 2 - e.y * size, size, line.place.width / (e.width * size)};
}

double likeness(const Typesetter& typesetter, const InkedLine& line, const std::string& text, const Face& face) {
  const Lettering l = filling(typesetter, line, text, face);
  const Raster drawn = typesetter.coverage(l, line.box);
  double both = 0, either = 1e-9;
  for (std::size_t i = 0; i < drawn.values.size(); ++i) both += std::min(drawn.values[i], line.ink.values[i]), either += std::max(drawn.values[i], line.ink.values[i]);
  return both / either * std::exp(-0.5 * std::abs(std::log(l.stretch)));
}

}  // namespace

std::vector<FaceMatch> matching_faces(const Typesetter& typesetter, const InkedLine& line, const std::string& read, const std::string& expected) {
  std::vector<FaceMatch> out;
  for (const Face& face : typesetter.faces()) {
    if (!typesetter.can_write(expected, face)) continue;
    const bool known = !read.empty() && typesetter.can_write(read, face);
    out.push_back({face, known ? likeness(typesetter, line, read, face) : 0});
  }
  std::stable_sort(out.begin(), out.end(), [](const FaceMatch& a, const FaceMatch& b) { return a.likeness > b.likeness; });
  return out;
}

Lettering placed(const Typesetter& typesetter, const InkedLine& line, const std::string& read, const std::string& expected, const Face& face, double left, double right) {
  const bool known = !read.empty() && typesetter.can_write(read, face);
  Lettering l = filling(typesetter, line, known ? read : expected, face);
  l.text = expected;
  l.stretch = known ? std::clamp(l.stretch, 0.75, 1.3) : 1;
  const double pad = 0.12 * line.place.height, space = std::max(right - left - 2 * pad, 1.0);
  const InkExtents e = typesetter.extents(expected, face);
  double width = e.width * l.size_px * l.stretch;
  if (width > space) {
    l.stretch = std::max(l.stretch * space / width, std::min(kNarrowest, l.stretch));
    const double smaller = std::min(1.0, space / (e.width * l.size_px * l.stretch));
    const double middle = l.baseline_v + (e.y + e.height / 2) * l.size_px;
    l.size_px *= smaller, l.baseline_v = middle - (e.y + e.height / 2) * l.size_px;
    width = e.width * l.size_px * l.stretch;
  }
  l.left_u = std::clamp(-width / 2, left + pad, std::max(left + pad, right - pad - width));
  return l;
}

std::array<double, 2> room(const Image& image, const InkedLine& line) {
  const double h = line.place.height, limit = std::max(14.0, 4 * line.board.noise);
  std::array<double, 2> out{};
  for (const int side : {0, 1}) {
    const double direction = side ? 1 : -1, start = line.place.width / 2;
    double reach = start;
    for (; reach < start + 6 * h; ++reach) {
      int strange = 0, count = 0;
      for (double v = -0.5 * h; v <= 0.5 * h; v += std::max(1.0, h / 24)) {
        const auto [x, y] = line.place.to_picture(direction * (reach + 1), v);
        const int ix = static_cast<int>(std::floor(x)), iy = static_cast<int>(std::floor(y));
        ++count;
        if (ix < 0 || iy < 0 || ix >= image.width || iy >= image.height) {
          strange = count = 1;
          break;
        }
        const auto seen = colour_at(image, ix, iy);
        const auto board = line.board.colour(ix, iy);
        strange += std::max({std::abs(seen[0] - board[0]), std::abs(seen[1] - board[1]), std::abs(seen[2] - board[2])}) > limit;
      }
      if (strange > 0.3 * count) break;
    }
    out[side] = direction * reach;
  }
  return out;
}

}  // namespace safelight
