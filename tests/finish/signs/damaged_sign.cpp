#include "finish/signs/damaged_sign.h"

#include <pango/pangocairo.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <random>

namespace safelight {
namespace {

constexpr std::array kTexts = {"OPEN", "CLOSED", "OPEN 24H", "BAKERY", "COFFEE", "Library", "EXIT", "Museum", "HOTEL", "Fresh Fish", "PARKING", "Garden", "TAXI", "PIZZA",
                               "Pharmacy", "BOOKS", "No Entry", "SALE 50", "Station", "BREAD", "Flowers", "CAFE 9", "ROUTE 66", "Welcome", "STOP", "MARKET", "Harbour", "GYM",
                               "Tea Room", "BARBER", "SCHOOL", "Theatre", "WINE BAR", "Zoo", "PLATFORM 3", "Bicycles", "QUIET", "Dentist", "JAZZ CLUB", "Kitchen"};
constexpr std::array kFamilies = {"DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "DejaVu Sans Condensed", "Liberation Sans", "Liberation Serif", "Liberation Mono",
                                  "Liberation Sans Narrow", "Roboto", "Roboto Slab", "Hack"};
constexpr std::array kBoards = {"plain", "gradient", "grain", "planks", "bricks", "specks"};
constexpr std::array kDamages = {"swapped", "dropped", "doubled", "blurred"};

class Draw {  // plain arithmetic on the generator's bits: the same with every library
 public:
  explicit Draw(unsigned seed) : bits_(seed * 2654435761U + 1) {}
  double uniform() { return static_cast<double>(bits_() >> 8) / (1 << 24); }
  double between(double low, double high) { return low + (high - low) * uniform(); }
  int below(int n) { return static_cast<int>(uniform() * n); }
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }

 private:
  std::mt19937 bits_;
};

// A text that is not the intended one; `blurred` leaves it as it is.
std::string with_damage(const std::string& text, int kind, Draw& draw) {
  for (int attempt = 0; kind < 3 && attempt < 100; ++attempt) {
    std::string out = text;
    const auto at = static_cast<std::size_t>(draw.below(static_cast<int>(text.size()) - 1));
    if (text[at] == ' ' || text[at + 1] == ' ') continue;
    if (kind == 0) std::swap(out[at], out[at + 1]);
    if (kind == 1) out.erase(at, 1);
    if (kind == 2) out.insert(at, 1, out[at]);
    if (out != text) return out;
  }
  return text;
}

using Field = std::vector<double>;  // [height * width]

struct Lettering {
  Field ink;                 // 0..1
  std::vector<double> ends;  // where each letter ends along the line, from the centre, pixels
  double width = 0, height = 0;
};

// The text in the middle of the picture, turned; its capitals `cap` pixels high.
Lettering drawn(const std::string& text, const std::string& face, double cap, double angle, int width, int height) {
  const std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)> surface(cairo_image_surface_create(CAIRO_FORMAT_A8, width, height), cairo_surface_destroy);
  const std::unique_ptr<cairo_t, decltype(&cairo_destroy)> cairo(cairo_create(surface.get()), cairo_destroy);
  const std::unique_ptr<PangoLayout, decltype(&g_object_unref)> layout(pango_cairo_create_layout(cairo.get()), g_object_unref);
  const std::unique_ptr<PangoFontDescription, decltype(&pango_font_description_free)> font(pango_font_description_from_string(face.c_str()), pango_font_description_free);
  PangoRectangle ink;
  pango_font_description_set_absolute_size(font.get(), 200 * PANGO_SCALE);
  pango_layout_set_font_description(layout.get(), font.get());
  pango_layout_set_text(layout.get(), "H", -1);
  pango_layout_get_extents(layout.get(), &ink, nullptr);
  pango_font_description_set_absolute_size(font.get(), 200 * PANGO_SCALE * cap / (static_cast<double>(ink.height) / PANGO_SCALE));
  pango_layout_set_font_description(layout.get(), font.get());
  pango_layout_set_text(layout.get(), text.c_str(), -1);
  pango_layout_get_extents(layout.get(), &ink, nullptr);
  Lettering out;
  out.width = static_cast<double>(ink.width) / PANGO_SCALE, out.height = static_cast<double>(ink.height) / PANGO_SCALE;
  const double x0 = static_cast<double>(ink.x) / PANGO_SCALE + out.width / 2, y0 = static_cast<double>(ink.y) / PANGO_SCALE + out.height / 2;
  for (std::size_t i = 0; i < text.size(); ++i) {
    PangoRectangle place;
    pango_layout_index_to_pos(layout.get(), static_cast<int>(i), &place);
    out.ends.push_back(static_cast<double>(place.x + place.width) / PANGO_SCALE - x0);
  }
  cairo_translate(cairo.get(), width / 2.0, height / 2.0);
  cairo_rotate(cairo.get(), angle);
  cairo_translate(cairo.get(), -x0, -y0);
  pango_cairo_layout_path(cairo.get(), layout.get());
  cairo_fill(cairo.get());
  cairo_surface_flush(surface.get());
  out.ink.resize(static_cast<std::size_t>(width) * height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) out.ink[static_cast<std::size_t>(y) * width + x] = cairo_image_surface_get_data(surface.get())[y * cairo_image_surface_get_stride(surface.get()) + x] / 255.0;
  return out;
}

// Two thirds of the letters, from one end, lose their shape: the mean over a square of `radius` round each pixel.
void blur_letters(Lettering& l, double cap, double angle, bool from_left, int width, int height) {
  const int radius = std::max(2, static_cast<int>(cap * 0.16));
  const double border = l.ends[l.ends.size() * (from_left ? 2 : 1) / 3];
  const Field sharp = l.ink;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double u = std::cos(angle) * (x - width / 2.0) + std::sin(angle) * (y - height / 2.0);
      if ((u < border) != from_left) continue;
      double sum = 0;
      for (int j = -radius; j <= radius; ++j)
        for (int i = -radius; i <= radius; ++i)
          if (x + i >= 0 && y + j >= 0 && x + i < width && y + j < height) sum += sharp[static_cast<std::size_t>(y + j) * width + x + i];
      l.ink[static_cast<std::size_t>(y) * width + x] = sum / ((2 * radius + 1) * (2 * radius + 1));
    }
}

// What a board has besides its colour, grey levels, at (u, v) from its centre.
double texture(int board, double u, double v, double phase, Draw& draw) {
  switch (board) {
    case 1: return 0.06 * u;
    case 2: return 5 * std::sin(0.35 * v + 2 * std::sin(0.02 * u + phase)) + 3 * std::sin(0.9 * v + 0.03 * u);
    case 3: return std::fmod(v + 1000 + phase, 34) < 2 ? -14 : 3 * std::sin(0.5 * v + 0.05 * u + phase);
    case 4: return std::fmod(v + 1000, 22) < 2 || std::fmod(u + 1000 + (std::fmod(v + 1000, 44) < 22 ? 0 : 20), 40) < 2 ? 12 : 0;
    case 5: return draw.uniform() < 0.06 ? draw.between(-22, 22) : 0;
  }
  return 0;
}

}  // namespace

DamagedSign damaged_sign(unsigned seed) {
  Draw draw(seed);
  DamagedSign s;
  s.intended = kTexts[static_cast<std::size_t>(draw.below(kTexts.size()))];
  const int damage = static_cast<int>(seed % kDamages.size()), board = static_cast<int>(seed / kDamages.size() % kBoards.size());
  s.damage = kDamages[static_cast<std::size_t>(damage)], s.board = kBoards[static_cast<std::size_t>(board)];
  s.painted = with_damage(s.intended, damage, draw);
  s.face = std::string(kFamilies[static_cast<std::size_t>(draw.below(kFamilies.size()))]) + (draw.uniform() < 0.5 ? " Bold" : "");
  s.cap_height_px = draw.between(20, 80), s.angle_deg = draw.between(-15, 15);
  const bool low_contrast = draw.uniform() < 0.3;
  s.contrast = low_contrast ? draw.between(40, 60) : draw.between(70, 170);
  s.noise = draw.uniform() < 0.5 ? draw.between(0, 3) : draw.between(3, low_contrast ? 8 : 20);
  const double angle = s.angle_deg * std::numbers::pi / 180, cap = s.cap_height_px;
  const Lettering probe = drawn(s.painted, s.face, cap, 0, 8, 8);
  s.board_width = probe.width + 1.6 * cap, s.board_height = probe.height + 1.1 * cap;
  const double c = std::cos(angle), k = std::abs(std::sin(angle));
  const int width = static_cast<int>(c * s.board_width + k * s.board_height) + 60, height = static_cast<int>(k * s.board_width + c * s.board_height) + 60;
  s.centre_x = width / 2.0, s.centre_y = height / 2.0;
  Lettering l = drawn(s.painted, s.face, cap, angle, width, height);
  if (damage == 3) blur_letters(l, cap, angle, draw.uniform() < 0.5, width, height);
  const bool dark_ink = draw.uniform() < 0.6;
  const double level = dark_ink ? draw.between(s.contrast + 20, 240) : draw.between(15, 235 - s.contrast), wall = level > 128 ? level - draw.between(40, 90) : level + draw.between(40, 90);
  std::array<double, 3> tint{}, wall_tint{};
  for (int i = 0; i < 3; ++i) tint[i] = draw.between(-18, 18), wall_tint[i] = draw.between(-18, 18);
  const double phase = draw.between(0, 30);
  s.image = {width, height, 3, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double dx = x + 0.5 - s.centre_x, dy = y + 0.5 - s.centre_y, u = std::cos(angle) * dx + std::sin(angle) * dy, v = std::cos(angle) * dy - std::sin(angle) * dx;
      const bool on_board = std::abs(u) < s.board_width / 2 && std::abs(v) < s.board_height / 2;
      const double grain = on_board ? texture(board, u, v, phase, draw) : 0, ink = l.ink[static_cast<std::size_t>(y) * width + x];
      for (int i = 0; i < 3; ++i) {
        const double value = on_board ? level + tint[i] + grain + (dark_ink ? -1 : 1) * s.contrast * ink : wall + wall_tint[i] + 0.03 * dx;
        s.image.pixels.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(value + s.noise * draw.normal(), 0.0, 255.0))));
      }
    }
  return s;
}

}  // namespace safelight
