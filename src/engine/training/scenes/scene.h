// Procedural scenes: a closed world of coloured shapes and lettered signs whose truth is known exactly.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace safelight {

enum class Shape { circle, square, triangle, diamond, cross, ring, star, heart };
enum class Colour { red, green, blue, yellow, purple, orange, cyan, pink, brown, teal };
enum class Tone { white, gray, black };                            // backgrounds are without colour
enum class Pattern { plain, gradient, striped, checkered };
enum class ObjectSize { small, medium, large };
enum class SceneKind { single, pair, nested, count, group, sign };  // what a scene is about; see make_scene

inline constexpr int kShapes = 8, kColours = 10, kTones = 3, kPatterns = 4, kSizes = 3, kSceneKinds = 6;
inline constexpr int kMaxObjects = 4, kMaxLetters = 8;

struct Rgb {
  std::uint8_t r = 0, g = 0, b = 0;
};

const char* name(Shape shape);
const char* name(Colour colour);
const char* name(Tone tone);
const char* name(Pattern pattern);
const char* name(ObjectSize size);
const char* name(SceneKind kind);
Rgb rgb(Colour colour);
Rgb rgb(Tone tone);
Rgb second_rgb(Tone tone);   // the other shade of a pattern on this tone

struct SceneObject {
  Shape shape = Shape::circle;
  Colour colour = Colour::red;
  ObjectSize size = ObjectSize::medium;
  double x = 0.5, y = 0.5;   // centre, fractions of the side; y grows downwards
  double radius = 0.25;      // half the extent, fraction of the side
};

// A coloured board with letters, black on light colours and white on dark ones.
struct Sign {
  std::string text;                      // 1 to 8 of A-Z and 0-9
  Colour colour = Colour::red;
  int font = 0;                          // 0 .. kFonts - 1 of glyphs.h
  double x = 0.5, y = 0.5;               // centre
  double half_width = 0.3, half_height = 0.15;
};
bool dark_letters(Colour board);

struct Scene {
  SceneKind kind = SceneKind::single;
  std::vector<SceneObject> objects;      // nested: the outer one first, then the one inside it
  std::optional<Sign> sign;
  Tone tone = Tone::white;
  Pattern pattern = Pattern::plain;
};

// The part of the world that is drawn from.
struct SceneOptions {
  int image_px = 64;
  int shapes = 6, colours = 8, patterns = 1;           // the first so many of each
  std::array<double, kSceneKinds> share = {3, 2, 0, 0, 0, 0};  // relative frequency of each SceneKind
  bool include_held_out = false;                       // also the shape-colour pairs and words kept out of training
};

// Counter-based random numbers (splitmix64): the same everywhere, unlike the standard distributions.
class SceneRandom {
 public:
  SceneRandom(std::uint64_t seed, std::uint64_t index);
  std::uint64_t next();
  int below(int n);          // 0 .. n-1
  double uniform();          // [0, 1)
  double between(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double p) { return uniform() < p; }

 private:
  std::uint64_t state_;
};

// An eighth of the shape-colour pairs, fixed, never drawn in training.
bool held_out(Shape shape, Colour colour);
// Words that stand on signs in towns; a seventh of them, fixed, is never drawn in training.
const std::vector<std::string>& sign_words();
bool held_out(const std::string& word);

// Half the extent of an object of this size in a scene of so many objects, as a range of fractions of the side.
std::array<double, 2> radius_range(ObjectSize size, int objects);

// Deterministic in (options, seed, index). Objects neither overlap (except nested ones) nor touch the border.
// single: one object. pair: two that differ. nested: one inside the other. count: 2 to 4 alike. group: 3 or 4 that
// differ. sign: a board with letters, in a third of the cases with one object beside it.
Scene make_scene(const SceneOptions& options, std::uint64_t seed, std::uint64_t index);

}  // namespace safelight
