#include "engine/training/scenes/glyphs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace safelight {

std::string_view glyph_data();  // glyphs.bin, embedded by CMakeLists.txt

namespace {

constexpr int kGlyphs = 36;

// A summed-area table over the coverage, so that any box costs four look-ups.
struct Glyph {
  int width = 0, height = 0;          // texels
  double bearing = 0, advance = 0;    // in cap heights
  std::vector<std::uint16_t> sums;    // [height + 1, width + 1]: coverage (0 .. 15) above and left of a corner

  double aspect() const { return static_cast<double>(width) / height; }
  const std::uint16_t* row(int y) const { return sums.data() + static_cast<std::ptrdiff_t>(y) * (width + 1); }
};

struct Font {
  double half_em = 0;  // in cap heights
  std::array<Glyph, kGlyphs> glyphs;

  const Glyph* find(char c) const {
    if (c >= 'A' && c <= 'Z') return &glyphs[static_cast<std::size_t>(c - 'A')];
    if (c >= '0' && c <= '9') return &glyphs[static_cast<std::size_t>(26 + c - '0')];
    return nullptr;
  }
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  std::string_view take(std::size_t n) {
    if (n > bytes_.size()) throw Error(ErrorCode::internal, "glyphs.bin is cut short; bake it again with tools/bake_glyphs.cpp");
    const std::string_view head = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return head;
  }
  int u8() { return static_cast<unsigned char>(take(1)[0]); }
  int i16() {
    const int low = u8(), high = u8();
    return static_cast<std::int16_t>(low | high << 8);
  }

 private:
  std::string_view bytes_;
};

Glyph read_glyph(Reader& in, int height) {
  Glyph g{.width = in.u8(), .height = height, .bearing = in.i16() / (64.0 * height), .advance = in.i16() / (64.0 * height), .sums = {}};
  const std::string_view texels = in.take(static_cast<std::size_t>(g.width * height + 1) / 2);
  const int stride = g.width + 1;
  g.sums.assign(static_cast<std::size_t>(stride * (height + 1)), 0);
  for (int y = 0, i = 0; y < height; ++y) {
    int across = 0;
    for (int x = 0; x < g.width; ++x, ++i) {
      across += static_cast<unsigned char>(texels[static_cast<std::size_t>(i / 2)]) >> (i % 2 * 4) & 15;
      g.sums[static_cast<std::size_t>((y + 1) * stride + x + 1)] = static_cast<std::uint16_t>(g.row(y)[x + 1] + across);
    }
  }
  return g;
}

using Atlas = std::array<Font, kFonts>;

Atlas read_atlas() {
  Reader in(glyph_data());
  const bool known = in.take(8) == "SLGLYPH1" && in.u8() == kFonts && in.u8() == kGlyphs;
  if (!known) throw Error(ErrorCode::internal, "glyphs.bin is of another form; bake it again with tools/bake_glyphs.cpp");
  const int height = in.u8();
  Atlas atlas;
  for (Font& font : atlas) {
    font.half_em = in.i16() / (64.0 * height);
    for (Glyph& g : font.glyphs) g = read_glyph(in, height);
  }
  return atlas;
}

const Font& font_at(int font) {
  static const Atlas atlas = read_atlas();
  if (font < 0 || font >= kFonts) {
    throw Error(ErrorCode::invalid_argument, "font " + std::to_string(font) + " does not exist; take 0 to " + std::to_string(kFonts - 1));
  }
  return atlas[static_cast<std::size_t>(font)];
}

// A place between two corners of the table.
struct Edge {
  int cell = 0;
  double part = 0;  // of the way from `cell` to the next
};

Edge edge_at(double texel, int texels) {
  const double t = std::clamp(texel, 0.0, static_cast<double>(texels));
  const int cell = std::min(static_cast<int>(t), texels - 1);
  return {cell, t - cell};
}

// The coverage above and left of a place, exact between the corners too, as every texel is of one value.
double sum_at(const Glyph& g, Edge x, Edge y) {
  const std::uint16_t* a = g.row(y.cell) + x.cell;
  const std::uint16_t* b = a + g.width + 1;
  const double left = a[0] + y.part * (b[0] - a[0]), right = a[1] + y.part * (b[1] - a[1]);
  return left + x.part * (right - left);
}

struct Canvas {
  std::uint8_t* rgb = nullptr;
  int side = 0;
  Rgb colour;
  std::vector<Edge> edges;  // scratch: the vertical edges of pixels, and the sums along the edge above the current row
  std::vector<double> above;
};

void blend(std::uint8_t* pixel, Rgb colour, double cover) {
  const std::array<int, 3> ink = {colour.r, colour.g, colour.b};
  for (std::size_t i = 0; i < 3; ++i) pixel[i] = static_cast<std::uint8_t>(pixel[i] + cover * (ink[i] - pixel[i]) + 0.5);
}

// The pixels [first, last) that the stretch from `begin` to `end` touches, without those outside the picture.
std::array<int, 2> touched(double begin, double end, int side) {
  const double limit = side;
  return {static_cast<int>(std::clamp(std::floor(begin), 0.0, limit)), static_cast<int>(std::clamp(std::ceil(end), 0.0, limit))};
}

void draw_glyph(Canvas& canvas, const Glyph& g, double x0, double y0, double height) {
  const double texels = g.height / height;  // of a pixel
  const auto [left, right] = touched(x0, x0 + g.aspect() * height, canvas.side);
  const auto [top, bottom] = touched(y0, y0 + height, canvas.side);
  if (left >= right || top >= bottom) return;
  const double scale = 1 / (15 * texels * texels);  // of a sum to a coverage
  const Edge start = edge_at((top - y0) * texels, g.height);
  for (int x = left; x <= right; ++x) {
    const auto i = static_cast<std::size_t>(x - left);
    canvas.edges[i] = edge_at((x - x0) * texels, g.width);
    canvas.above[i] = sum_at(g, canvas.edges[i], start);
  }
  for (int y = top; y < bottom; ++y) {
    const Edge below = edge_at((y + 1 - y0) * texels, g.height);
    std::uint8_t* pixel = canvas.rgb + (static_cast<std::ptrdiff_t>(y) * canvas.side + left) * 3;
    double before = 0;  // the strip of this row left of the pixel
    for (int i = 0; i <= right - left; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double sum = sum_at(g, canvas.edges[at], below);
      const double strip = sum - canvas.above[at];
      canvas.above[at] = sum;
      if (i > 0) blend(pixel + (i - 1) * 3, canvas.colour, std::clamp((strip - before) * scale, 0.0, 1.0));
      before = strip;
    }
  }
}

// Calls visit(glyph, x) for every glyph of a text, x from the first ink in cap heights, and returns the whole width.
template <typename Visit>
double set_text(const Font& font, std::string_view text, const Visit& visit) {
  if (text.empty()) return 0;
  const Glyph* first = font.find(text.front());
  const Glyph* last = font.find(text.back());
  double pen = first ? -first->bearing : 0;
  for (const char c : text) {
    const Glyph* g = font.find(c);
    if (g) visit(*g, pen + g->bearing);
    pen += g ? g->advance : font.half_em;
  }
  return last ? pen - last->advance + last->bearing + last->aspect() : pen;
}

}  // namespace

double glyph_aspect(char c, int font) {
  const Font& f = font_at(font);
  const Glyph* g = f.find(c);
  return g ? g->aspect() : f.half_em;
}

double glyph_coverage(char c, int font, double u0, double v0, double u1, double v1) {
  const Glyph* g = font_at(font).find(c);
  if (!g || !(u1 > u0) || !(v1 > v0)) return 0;
  const Edge left = edge_at(u0 * g->width, g->width), right = edge_at(u1 * g->width, g->width);
  const Edge top = edge_at(v0 * g->height, g->height), bottom = edge_at(v1 * g->height, g->height);
  const double sum = sum_at(*g, right, bottom) - sum_at(*g, left, bottom) - (sum_at(*g, right, top) - sum_at(*g, left, top));
  return std::clamp(sum / (15 * (u1 - u0) * g->width * (v1 - v0) * g->height), 0.0, 1.0);
}

double text_aspect(std::string_view text, int font) { return set_text(font_at(font), text, [](const Glyph&, double) {}); }

std::vector<std::array<double, 2>> letter_boxes(std::string_view text, int font) {
  const Font& f = font_at(font);
  std::vector<std::array<double, 2>> boxes(text.size(), {0, 0});
  std::size_t k = 0;
  set_text(f, text, [&](const Glyph& g, double x) {
    while (f.find(text[k]) == nullptr) ++k;
    boxes[k++] = {x, x + g.aspect()};
  });
  return boxes;
}

void draw_letters(std::uint8_t* rgb, int side, std::string_view text, int font, double x0, double y0, double height, Rgb colour) {
  const Font& f = font_at(font);
  if (side <= 0 || !(height > 0) || !std::isfinite(x0) || !std::isfinite(y0) || !std::isfinite(height)) return;
  const auto edges = static_cast<std::size_t>(side) + 1;
  Canvas canvas{rgb, side, colour, std::vector<Edge>(edges), std::vector<double>(edges)};
  set_text(f, text, [&](const Glyph& g, double x) { draw_glyph(canvas, g, x0 + x * height, y0, height); });
}

}  // namespace safelight
