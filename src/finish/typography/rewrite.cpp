#include "finish/typography/rewrite.h"

#include <cmath>

#include "finish/typography/erase.h"

namespace safelight {
namespace {

constexpr int kRim_px = 2;

// Old ink, with its soft edges, as pixels of `box`.
std::vector<char> old_ink(const InkedLine& line, const Box& box) {
  std::vector<char> out(static_cast<std::size_t>(box.width) * box.height);
  for (int y = 0; y < line.box.height; ++y)
    for (int x = 0; x < line.box.width; ++x) {
      const std::size_t from = static_cast<std::size_t>(y) * line.box.width + x;
      const int bx = line.box.x + x - box.x, by = line.box.y + y - box.y;
      if (bx >= 0 && by >= 0 && bx < box.width && by < box.height) out[static_cast<std::size_t>(by) * box.width + bx] = line.letters[from] || line.ink.values[from] > 0.1F;
    }
  return out;
}

// The box of the plate, in the frame of the line: the text and a margin, with the old line under it.
bool on_plate(const InkedLine& line, const Lettering& l, const InkExtents& e, double u, double v) {
  const double pad = 0.25 * line.place.height, width = std::max(line.place.width, e.width * l.size_px * l.stretch);
  return std::abs(u) <= width / 2 + pad && std::abs(v) <= line.place.height / 2 + pad;
}

}  // namespace

Style same_style(const InkedLine& line) {
  const double soft = std::max(0.0, line.edge_px - 1.2) / 2.07;  // of a normal edge, 15 % to 85 % lie 2.07 standard deviations apart
  return {line.ink_delta, std::min(soft, 0.03 * line.place.height), false};
}

Style strong_style(const InkedLine& line) {
  const auto board = line.board.colour(line.place.centre_x, line.place.centre_y);
  const double luma = 0.299 * board[0] + 0.587 * board[1] + 0.114 * board[2], ink = luma > 110 ? 16 : 244;
  return {{ink - board[0], ink - board[1], ink - board[2]}, 0, false};
}

Style plate_style(const InkedLine& line) {
  Style out = strong_style(line);
  out.plate = true;
  return out;
}

void rewrite_line(const Typesetter& typesetter, const InkedLine& line, const Lettering& lettering, const Style& style, Image& image, std::vector<std::uint8_t>& mask) {
  const InkExtents e = typesetter.extents(lettering.text, lettering.face);
  LineBox area = line.place;
  area.width = 2 * std::max({area.width / 2, std::abs(lettering.left_u), lettering.left_u + e.width * lettering.size_px * lettering.stretch});
  const Box box = intersection(bounds(area, 0.8 * line.place.height + 4), {0, 0, image.width, image.height});
  const Raster drawn = blurred(typesetter.coverage(lettering, box), style.blur_px);
  std::vector<char> changed = old_ink(line, box);
  for (std::size_t i = 0; i < changed.size(); ++i) {
    const auto [u, v] = area.to_line(box.x + static_cast<int>(i) % box.width + 0.5, box.y + static_cast<int>(i) / box.width + 0.5);
    changed[i] = changed[i] || drawn.values[i] > 0 || (style.plate && on_plate(line, lettering, e, u, v));
  }
  changed = dilated(changed, box.width, box.height, kRim_px);
  const auto blank = style.plate ? std::vector<std::array<float, 3>>{} : erased(image, line.board, box, changed);
  for (std::size_t i = 0; i < changed.size(); ++i) {
    if (!changed[i]) continue;
    const int x = box.x + static_cast<int>(i) % box.width, y = box.y + static_cast<int>(i) / box.width;
    const std::size_t pixel = static_cast<std::size_t>(y) * image.width + x;
    const auto plane = line.board.colour(x, y);
    std::array<double, 3> value{};
    for (int c = 0; c < 3; ++c) value[c] = (style.plate ? plane[c] : blank[i][c]) + style.ink_delta[c] * drawn.values[i];
    if (image.channels == 1) value[0] = (value[0] + value[1] + value[2]) / 3;
    for (int c = 0; c < image.channels; ++c) image.pixels[pixel * image.channels + c] = static_cast<std::uint8_t>(std::lround(std::clamp(value[c], 0.0, 255.0)));
    mask[pixel] = 255;
  }
}

}  // namespace safelight
