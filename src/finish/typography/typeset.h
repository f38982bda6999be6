// Text drawn with Pango and Cairo as plain coverage: the same bytes for the same fonts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "finish/typography/text_lines.h"

namespace safelight {

struct Face {
  std::string family;
  bool bold = false;

  std::string name() const { return family + (bold ? " Bold" : ""); }
};

// The ink of a text, in units of the font's size; the origin is the left end of the baseline, y grows downwards.
struct InkExtents {
  double x = 0, y = 0, width = 0, height = 0;
};

// Where text stands, in the frame of a line (its centre and angle; u along it, v across it, pixels).
struct Lettering {
  std::string text;
  Face face;
  LineBox frame;
  double left_u = 0;      // of the ink
  double baseline_v = 0;
  double size_px = 0;     // of the font
  double stretch = 1;     // of widths
};

// Not to be shared between threads.
class Typesetter {
 public:
  // Sees the fonts of kFamilies that are installed and no other, so that no other font can lend a letter. Throws Error(unavailable) without any.
  Typesetter();
  ~Typesetter();

  const std::vector<Face>& faces() const { return faces_; }
  // Which file draws the face.
  std::string file(const Face& face) const;
  // Whether the face has every letter of the text, and at least one of them is visible.
  bool can_write(const std::string& text, const Face& face) const;
  // Both throw Error(unsupported) where can_write is false.
  InkExtents extents(const std::string& text, const Face& face) const;
  // Coverage 0..1 of the pixels of `box`.
  Raster coverage(const Lettering& lettering, const Box& box) const;

 private:
  struct Fonts;
  std::unique_ptr<Fonts> fonts_;
  std::vector<Face> faces_;
};

}  // namespace safelight
