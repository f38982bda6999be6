// Looks at a picture of a scene and says which claims of a prompt hold. A program, not a network: it knows the world.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/training/scene.h"

namespace safelight {

struct ObjectClaim {
  std::optional<Shape> shape;
  std::optional<Colour> colour;
};
struct PromptClaims {
  std::vector<ObjectClaim> objects;
  std::string relation;                 // "left", "right", "above", "below" of the first to the second, or empty
  std::vector<std::string> unknown;     // words that claim nothing and are not known
};
PromptClaims parse_prompt(const std::string& text);

struct SeenObject {
  Shape shape = Shape::circle;
  Colour colour = Colour::red;
  double x = 0, y = 0, area = 0;        // fractions
  double shape_score = 0;               // overlap with the best template, 0..1
};
// Background from the border, objects as connected areas, colour by the nearest in the palette (CIE Lab), shape by
// overlap with each shape drawn at the same place and size. rgb: side * side * 3.
std::vector<SeenObject> see_objects(const std::uint8_t* rgb, int side);

struct CheckResult {
  bool shape_right = false, colour_right = false, count_right = false, relation_right = true;
  std::string reason;                   // of the first claim that does not hold
  bool all() const { return shape_right && colour_right && count_right && relation_right; }
};
CheckResult check_image(const std::uint8_t* rgb, int side, const PromptClaims& claims);

}  // namespace safelight
