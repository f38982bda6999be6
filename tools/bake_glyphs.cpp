// Bakes A-Z and 0-9 of four free fonts into src/engine/training/scenes/glyphs.bin. A developer's tool, in no build. From the root:
//   apt-get install libfreetype-dev fonts-dejavu-core fonts-roboto-slab fonts-roboto-unhinted
//   g++ -std=c++20 -O2 tools/bake_glyphs.cpp -o /tmp/bake_glyphs $(pkg-config --cflags --libs freetype2)
//   /tmp/bake_glyphs src/engine/training/scenes/glyphs.bin [four font files]
//
// The file, little-endian, without padding:
//   8 bytes  "SLGLYPH1"
//   3 x u8   fonts, glyphs of a font (A-Z, then 0-9), height of every glyph = cap height, pixels
//   then for every font:
//     u16    half an em, 1/64 pixel: the width of a character it lacks
//     then for every glyph:
//       u8   width, pixels
//       i16  left bearing, 1/64 pixel: from the pen to the first ink
//       i16  advance, 1/64 pixel: from pen to pen
//            ceil(width * height / 2) bytes of coverage, row by row from the top, 0 .. 15, the low half of a byte first
#include <ft2build.h>
#include FT_BBOX_H
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kHeight = 28;
constexpr double kClear = 2 * 64;  // left bearing of a hook pressed up to the baseline, 1/64 pixel
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::array<const char*, 4> kFontFiles = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/truetype/roboto/unhinted/RobotoTTF/Roboto-Medium.ttf",
    "/usr/share/fonts/opentype/roboto/slab/RobotoSlab-Bold.otf",
    "/usr/share/fonts/truetype/roboto/unhinted/RobotoCondensed-Bold.ttf",
};

void expect(bool fine, const std::string& what) {
  if (!fine) throw std::runtime_error(what);
}

FT_BBox box_of(FT_Outline& outline) {
  FT_BBox box;
  expect(FT_Outline_Get_BBox(&outline, &box) == 0, "an outline has no box");
  return box;
}

// In font units.
FT_GlyphSlot load(FT_Face face, char c) {
  expect(FT_Load_Char(face, static_cast<FT_ULong>(c), FT_LOAD_NO_SCALE) == 0, std::string("no glyph for ") + c);
  return face->glyph;
}

// 1/64 pixel of a font unit, where a flat capital is kHeight pixels high.
double scale_of(FT_Face face) { return kHeight * 64.0 / static_cast<double>(box_of(load(face, 'H')->outline).yMax); }

class Writer {
 public:
  void u8(int v) { bytes_ += static_cast<char>(v); }
  void i16(double v) {
    const long n = std::lround(v);
    u8(static_cast<int>(n & 255));
    u8(static_cast<int>(n >> 8 & 255));
  }
  void text(std::string_view s) { bytes_ += s; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::vector<std::uint8_t> rasterise(FT_Library library, FT_Outline& outline, int width) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width * kHeight));
  FT_Bitmap bitmap{};
  bitmap.rows = kHeight;
  bitmap.width = static_cast<unsigned>(width);
  bitmap.pitch = width;  // positive: rows go down
  bitmap.buffer = pixels.data();
  bitmap.num_grays = 256;
  bitmap.pixel_mode = FT_PIXEL_MODE_GRAY;
  expect(FT_Outline_Get_Bitmap(library, &outline, &bitmap) == 0, "FreeType cannot draw an outline");
  return pixels;
}

// Overshoots and tails (O, Q, J) are pressed into the cap box, and the ink is made a whole number of pixels wide, so
// that the bitmap is the box of the ink.
void bake_glyph(FT_Library library, FT_Face face, char c, double scale, Writer& out) {
  FT_Outline& outline = load(face, c)->outline;
  double bearing = static_cast<double>(box_of(outline).xMin) * scale;
  double advance = static_cast<double>(face->glyph->metrics.horiAdvance) * scale;
  if (bearing < 0 && static_cast<double>(box_of(outline).yMin) * scale < -64) {  // a J whose hook ran under its neighbour
    advance += kClear - bearing;
    bearing = kClear;
  }
  for (int i = 0; i < outline.n_points; ++i) {  // to 1/64 pixel and 256 times finer, so that nothing rounds yet
    outline.points[i].x = std::lround(static_cast<double>(outline.points[i].x) * scale * 256);
    outline.points[i].y = std::lround(static_cast<double>(outline.points[i].y) * scale * 256);
  }
  const FT_BBox box = box_of(outline);
  const double cap = kHeight * 64.0 * 256, ink = static_cast<double>(box.xMax - box.xMin);
  const int width = std::max(1, static_cast<int>(std::lround(ink / (64 * 256))));
  const double bottom = std::min(0.0, static_cast<double>(box.yMin)), top = std::max(cap, static_cast<double>(box.yMax));
  for (int i = 0; i < outline.n_points; ++i) {
    FT_Vector& p = outline.points[i];
    p.x = std::lround(static_cast<double>(p.x - box.xMin) * width * 64 / ink);
    p.y = std::lround((static_cast<double>(p.y) - bottom) * kHeight * 64 / (top - bottom));
  }
  const std::vector<std::uint8_t> pixels = rasterise(library, outline, width);
  out.u8(width);
  out.i16(bearing);
  out.i16(advance);
  for (std::size_t i = 0; i < pixels.size(); i += 2) {
    const int low = (pixels[i] * 15 + 127) / 255, high = i + 1 < pixels.size() ? (pixels[i + 1] * 15 + 127) / 255 : 0;
    out.u8(low | high << 4);
  }
}

void bake(const std::string& target, const std::vector<std::string>& files) {
  FT_Library library;
  expect(FT_Init_FreeType(&library) == 0, "FreeType does not start");
  Writer out;
  out.text("SLGLYPH1");
  out.u8(static_cast<int>(files.size()));
  out.u8(static_cast<int>(kLetters.size()));
  out.u8(kHeight);
  for (const std::string& file : files) {
    FT_Face face;
    expect(FT_New_Face(library, file.c_str(), 0, &face) == 0, "cannot read the font " + file);
    const double scale = scale_of(face);
    out.i16(face->units_per_EM * scale / 2);
    for (const char c : kLetters) bake_glyph(library, face, c, scale, out);
    FT_Done_Face(face);
  }
  FT_Done_FreeType(library);
  std::ofstream stream(target, std::ios::binary);
  stream << out.bytes();
  expect(stream.good(), "cannot write " + target);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 2 + static_cast<int>(kFontFiles.size())) {
    std::fprintf(stderr, "usage: bake_glyphs TARGET [four font files]\n");
    return 2;
  }
  try {
    bake(argv[1], argc == 2 ? std::vector<std::string>(kFontFiles.begin(), kFontFiles.end())
                            : std::vector<std::string>(argv + 2, argv + argc));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bake_glyphs: %s\n", e.what());
    return 1;
  }
}
