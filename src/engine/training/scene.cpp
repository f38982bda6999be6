#include "engine/training/scene.h"

#include <array>
#include <cmath>

namespace safelight {
namespace {

constexpr std::array<const char*, kShapes> kShapeNames = {"circle", "square", "triangle", "diamond", "cross", "ring"};
constexpr std::array<const char*, kColours> kColourNames = {"red",    "green",  "blue", "yellow",
                                                            "purple", "orange", "cyan", "pink"};
constexpr std::array<Rgb, kColours> kColourValues = {{{214, 32, 38},
                                                      {38, 160, 58},
                                                      {36, 70, 212},
                                                      {244, 220, 40},
                                                      {128, 40, 168},
                                                      {244, 132, 24},
                                                      {40, 206, 220},
                                                      {248, 130, 190}}};
constexpr std::array<const char*, kBackgrounds> kBackgroundNames = {"white", "gray", "black"};
constexpr std::array<Rgb, kBackgrounds> kBackgroundValues = {{{244, 244, 244}, {128, 128, 128}, {16, 16, 16}}};
constexpr std::array<const char*, 3> kSizeNames = {"small", "medium", "large"};
constexpr double kBorder = 0.03;

double radius_for(ObjectSize size, bool alone, SceneRandom& random) {
  const double scale = alone ? 1.0 : 0.72;
  switch (size) {
    case ObjectSize::small: return scale * random.between(0.15, 0.18);
    case ObjectSize::medium: return scale * random.between(0.20, 0.24);
    case ObjectSize::large: return scale * random.between(0.26, 0.30);
  }
  return 0.2;
}

bool apart(const SceneObject& a, const SceneObject& b) {
  const double dx = std::abs(a.x - b.x), dy = std::abs(a.y - b.y), reach = a.radius + b.radius + kBorder;
  return dx > reach || dy > reach;
}

SceneObject make_object(const SceneOptions& options, bool alone, SceneRandom& random) {
  SceneObject o;
  do {
    o.shape = static_cast<Shape>(random.below(kShapes));
    o.colour = static_cast<Colour>(random.below(kColours));
  } while (!options.include_held_out && held_out(o.shape, o.colour));
  o.size = static_cast<ObjectSize>(random.below(3));
  o.radius = radius_for(o.size, alone, random);
  return o;
}

void place(SceneObject& o, SceneRandom& random) {
  o.x = random.between(o.radius + kBorder, 1 - o.radius - kBorder);
  o.y = random.between(o.radius + kBorder, 1 - o.radius - kBorder);
}

}  // namespace

const char* name(Shape shape) { return kShapeNames[static_cast<std::size_t>(shape)]; }
const char* name(Colour colour) { return kColourNames[static_cast<std::size_t>(colour)]; }
const char* name(Background background) { return kBackgroundNames[static_cast<std::size_t>(background)]; }
const char* name(ObjectSize size) { return kSizeNames[static_cast<std::size_t>(size)]; }
Rgb rgb(Colour colour) { return kColourValues[static_cast<std::size_t>(colour)]; }
Rgb rgb(Background background) { return kBackgroundValues[static_cast<std::size_t>(background)]; }

SceneRandom::SceneRandom(std::uint64_t seed, std::uint64_t index)
    : state_(seed * 0x9E3779B97F4A7C15ull ^ (index + 1) * 0xD1B54A32D192ED03ull) {
  next();
}

std::uint64_t SceneRandom::next() {
  std::uint64_t x = (state_ += 0x9E3779B97F4A7C15ull);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

int SceneRandom::below(int n) {
  return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
}

double SceneRandom::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

bool held_out(Shape shape, Colour colour) {
  return (static_cast<int>(shape) * 3 + static_cast<int>(colour)) % 8 == 7;
}

Scene make_scene(const SceneOptions& options, std::uint64_t seed, std::uint64_t index) {
  SceneRandom random(seed, index);
  Scene scene;
  scene.background = static_cast<Background>(random.below(kBackgrounds));
  const bool alone = options.max_objects < 2 || random.below(5) < 3;
  scene.objects.push_back(make_object(options, alone, random));
  place(scene.objects[0], random);
  if (alone) return scene;
  scene.objects.push_back(make_object(options, false, random));
  // The two never share shape and colour, so that a caption names each of them.
  while (scene.objects[1].shape == scene.objects[0].shape && scene.objects[1].colour == scene.objects[0].colour)
    scene.objects[1] = make_object(options, false, random);
  do {
    place(scene.objects[0], random);
    place(scene.objects[1], random);
  } while (!apart(scene.objects[0], scene.objects[1]));
  return scene;
}

}  // namespace safelight
