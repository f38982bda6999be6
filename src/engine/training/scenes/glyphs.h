// The letters of rendered signs: A-Z and 0-9 of four fonts, baked by tools/bake_glyphs.cpp into glyphs.bin.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

// 0 a wide bold sans, 1 a plain sans, 2 a bold slab serif, 3 a bold condensed sans; glyphs.md names them.
inline constexpr int kFonts = 4;

// Every glyph fills the cap box from top to bottom (tails are pressed into it) and is trimmed left and right.
// All functions are thread-safe and throw Error(invalid_argument) where `font` is not in [0, kFonts). A character that
// is no glyph is a blank half an em wide.

// Width over height of the box of the trimmed glyph.
double glyph_aspect(char c, int font);

// Mean coverage, 0 .. 1, of a rectangle of the glyph's box: (0, 0) is its top left, (1, 1) its bottom right. Outside the
// box nothing is covered; an empty rectangle gives 0.
double glyph_coverage(char c, int font, double u0, double v0, double u1, double v1);

// Width over cap height of a text set with the font's own spacing, from its first ink to its last; 0 for an empty one.
double text_aspect(std::string_view text, int font);

// Where each character's ink begins and ends in a text, left to right, in cap heights from the first ink; a character that is
// no glyph has an empty box.
std::vector<std::array<double, 2>> letter_boxes(std::string_view text, int font);

// Blends a text of text_aspect(text, font) * height x height pixels into rgb [side, side, 3], its top left at (x0, y0).
// Each pixel takes the mean of the coverage under it. What lies outside the picture is left out.
void draw_letters(std::uint8_t* rgb, int side, std::string_view text, int font, double x0, double y0, double height, Rgb colour);

}  // namespace safelight
