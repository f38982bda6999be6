// Wrong text in a picture, written anew. Deterministic, without a model: the same picture, texts and fonts give the same bytes.
#pragma once

#include "finish/typography/text_check.h"
#include "finish/typography/typeset.h"

namespace safelight {

// How far a repair may go; each includes the ones before it.
enum class FixLimit {
  same_style,  // the ink, size and place of the old text, in the font that looks most like it
  contrast,    // black or white ink where the old one cannot be read
  plate,       // the line on a plain box of the board's colour
  overlay,     // on the emptiest place of the picture, where nothing is written that could be replaced
};
inline constexpr std::array<const char*, 4> kFixLimits = {"same_style", "contrast", "plate", "overlay"};

// Throws Error(invalid_argument) that lists them.
FixLimit fix_limit_named(const std::string& name);

struct FixOptions {
  FixLimit limit = FixLimit::contrast;
  int faces = 4;  // how many fonts are tried in each style
};

struct TextFix {
  std::string expected, read_before, read_after;
  double cer_before = 1, cer_after = 1;
  bool changed = false;
  std::string method;            // of FixLimit; empty when nothing was changed
  std::string font, font_file;   // of the text written
  double likeness = 0;           // how well that font covers the old text, 0..1
  std::vector<Box> boxes;        // where it was written
  std::string reason;            // why it was left alone ("exact", "unfixable: ..."); empty when changed
};

struct FixedPicture {
  Image image;
  std::vector<std::uint8_t> mask;  // [height * width] 255 where a pixel may differ from the picture given, else 0
  std::vector<TextFix> fixes;      // one per expected text
};

// Repair: texts that are not read exactly are written anew. A change is kept only if the whole picture, read again, has a lower character error rate
// for that text and no higher one for any other. Nothing expected: nothing changes.
FixedPicture fix_text(TextReader& reader, const Typesetter& typesetter, const Image& image, const std::vector<std::string>& expected, const FixOptions& options = {});

}  // namespace safelight
