// Procedural scenes: a closed world of coloured shapes whose truth is known exactly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace safelight {

enum class Shape { circle, square, triangle, diamond, cross, ring };
enum class Colour { red, green, blue, yellow, purple, orange, cyan, pink };
enum class Background { white, gray, black };
enum class ObjectSize { small, medium, large };

inline constexpr int kShapes = 6, kColours = 8, kBackgrounds = 3;

struct Rgb {
  std::uint8_t r = 0, g = 0, b = 0;
};

const char* name(Shape shape);
const char* name(Colour colour);
const char* name(Background background);
const char* name(ObjectSize size);
Rgb rgb(Colour colour);
Rgb rgb(Background background);

struct SceneObject {
  Shape shape = Shape::circle;
  Colour colour = Colour::red;
  ObjectSize size = ObjectSize::medium;
  double x = 0.5, y = 0.5;   // centre, fractions of the side; y grows downwards
  double radius = 0.25;      // half the extent, fraction of the side
};

struct Scene {
  std::vector<SceneObject> objects;  // 1 or 2
  Background background = Background::white;
};

struct SceneOptions {
  int image_px = 64;
  int max_objects = 2;
  bool include_held_out = false;     // also draw the shape-colour pairs kept out of training
};

// Counter-based random numbers (splitmix64): the same everywhere, unlike the standard distributions.
class SceneRandom {
 public:
  SceneRandom(std::uint64_t seed, std::uint64_t index);
  std::uint64_t next();
  int below(int n);          // 0 .. n-1
  double uniform();          // [0, 1)
  double between(double low, double high) { return low + (high - low) * uniform(); }

 private:
  std::uint64_t state_;
};

// An eighth of the shape-colour pairs, fixed, never drawn in training.
bool held_out(Shape shape, Colour colour);

// Deterministic in (options, seed, index). Objects neither overlap nor touch the border.
Scene make_scene(const SceneOptions& options, std::uint64_t seed, std::uint64_t index);

}  // namespace safelight
