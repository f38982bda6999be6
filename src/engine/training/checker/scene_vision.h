// What is to be seen in a picture of a scene: objects, signs and the background, without knowledge of the prompt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

// Places and lengths are fractions of the side.
struct Seen {
  Colour colour = Colour::red;
  double x = 0, y = 0;                     // centre
  double left = 0, top = 0, right = 0, bottom = 0;
  double area = 0;
  std::vector<std::uint8_t> mask;          // [side, side], 0 or 1; without what lies over it
};

struct SeenObject : Seen {
  std::optional<Shape> shape;              // absent: unclear, it matches no claim
  Shape nearest = Shape::circle, runner_up = Shape::circle;
  double shape_score = 0, runner_up_score = 0;  // overlap with the two, 0 .. 1
  double radius = 0;
  int within = -1;                         // the object whose insides it fills; -1: none
};

struct SeenSign : Seen {
  std::string text;                        // '?' for what is no glyph
  double letter_score = 0;                 // 0 .. 1, how well the letters explain the ink
};

struct SeenScene {
  int side = 0;
  std::vector<SeenObject> objects;         // largest first
  std::vector<SeenSign> signs;
  std::optional<Tone> tone;                // absent: unclear
  std::optional<Pattern> pattern;
  int specks = 0;                          // bits of colour that are no objects
};

// rgb: side * side * 3. Any side from 32 up.
SeenScene see(const std::uint8_t* rgb, int side);

}  // namespace safelight
