#include "engine/training/captions.h"

#include <cmath>

namespace safelight {
namespace {

std::string noun_phrase(const SceneObject& o, bool size, SceneRandom& random) {
  const std::string sized = size ? std::string(name(o.size)) + " " : "";
  const std::string colour = name(o.colour), shape = name(o.shape);
  switch (random.below(6)) {
    case 0: return sized + colour + " " + shape;
    case 1: return "the " + sized + colour + " " + shape;
    case 2: return "a " + sized + shape + " that is " + colour;
    case 3: return "a " + colour + " " + sized + shape;
    default: return "a " + sized + colour + " " + shape;
  }
}

std::string relation(const SceneObject& a, const SceneObject& b, SceneRandom& random) {
  const double dx = b.x - a.x, dy = b.y - a.y;
  if (std::abs(dx) >= std::abs(dy)) {
    const std::string side = dx > 0 ? "left" : "right";
    switch (random.below(3)) {
      case 0: return "is to the " + side + " of";
      case 1: return "to the " + side + " of";
      default: return side + " of";
    }
  }
  const std::string side = dy > 0 ? "above" : "below";
  return random.below(3) == 0 ? "is " + side : side;
}

std::string subject(const Scene& scene, SceneRandom& random) {
  const auto phrase = [&](const SceneObject& o) { return noun_phrase(o, random.below(3) == 0, random); };
  if (scene.objects.size() == 1) {
    const std::string text = phrase(scene.objects[0]);
    switch (random.below(5)) {
      case 0: return "there is " + text;
      case 1: return "a picture of " + text;
      default: return text;
    }
  }
  const bool swap = random.below(2) == 1;
  const SceneObject& a = scene.objects[swap ? 1 : 0];
  const SceneObject& b = scene.objects[swap ? 0 : 1];
  const std::string first = phrase(a), second = phrase(b);
  return random.below(4) == 0 ? first + " and " + second : first + " " + relation(a, b, random) + " " + second;
}

}  // namespace

SceneOptions scene_options(const Recipe& recipe) {
  return {.image_px = static_cast<int>(recipe.image_px), .max_objects = static_cast<int>(recipe.max_objects)};
}

std::string caption(const Scene& scene, const SceneOptions&, std::uint64_t seed) {
  SceneRandom random(seed, 0);
  const std::string text = subject(scene, random), back = name(scene.background);
  const std::string stop = random.below(8) == 0 ? "." : "";
  switch (random.below(8)) {
    case 0: return back + " background, " + text + stop;
    case 1: return text + ", " + back + " background" + stop;
    case 2: return text + " on a " + back + " background" + stop;
    case 3: return text + " on " + back + stop;
    default: return text + stop;
  }
}

std::vector<std::string> scene_vocabulary(const SceneOptions&) {
  std::vector<std::string> words = {"a",  "the",  "and",   "is",    "that",  "there",      "picture", "of", "on",
                                    "to", "left", "right", "above", "below", "background", ",",       "."};
  for (int i = 0; i < kShapes; ++i) words.emplace_back(name(static_cast<Shape>(i)));
  for (int i = 0; i < kColours; ++i) words.emplace_back(name(static_cast<Colour>(i)));
  for (int i = 0; i < kBackgrounds; ++i) words.emplace_back(name(static_cast<Background>(i)));
  for (int i = 0; i < 3; ++i) words.emplace_back(name(static_cast<ObjectSize>(i)));
  return words;
}

}  // namespace safelight
