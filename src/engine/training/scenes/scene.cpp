#include "engine/training/scenes/scene.h"

#include <algorithm>
#include <cmath>

#include "engine/training/scenes/glyphs.h"

namespace safelight {
namespace {

constexpr std::array<const char*, kShapes> kShapeNames = {"circle", "square", "triangle", "diamond", "cross", "ring", "star", "heart"};
constexpr std::array<const char*, kColours> kColourNames = {"red",    "green", "blue", "yellow", "purple",
                                                            "orange", "cyan",  "pink", "brown",  "teal"};
constexpr std::array<Rgb, kColours> kColourValues = {{{214, 32, 38},
                                                      {38, 160, 58},
                                                      {36, 70, 212},
                                                      {244, 220, 40},
                                                      {128, 40, 168},
                                                      {244, 132, 24},
                                                      {40, 206, 220},
                                                      {248, 130, 190},
                                                      {120, 72, 32},
                                                      {0, 100, 108}}};
constexpr std::array<const char*, kTones> kToneNames = {"white", "gray", "black"};
constexpr std::array<Rgb, kTones> kToneValues = {{{244, 244, 244}, {128, 128, 128}, {16, 16, 16}}};
constexpr std::array<Rgb, kTones> kSecondValues = {{{204, 204, 204}, {160, 160, 160}, {56, 56, 56}}};
constexpr std::array<const char*, kPatterns> kPatternNames = {"plain", "gradient", "striped", "checkered"};
constexpr std::array<const char*, kSizes> kSizeNames = {"small", "medium", "large"};
constexpr std::array<const char*, kSceneKinds> kKindNames = {"single", "pair", "nested", "count", "group", "sign"};
constexpr double kBorder = 0.03;
constexpr int kTriesPerLayout = 60;

template <class E>
E pick(int n, SceneRandom& random) {
  return static_cast<E>(random.below(n));
}

SceneObject make_object(const SceneOptions& options, int objects, SceneRandom& random) {
  SceneObject o;
  do {
    o.shape = pick<Shape>(options.shapes, random);
    o.colour = pick<Colour>(options.colours, random);
  } while (!options.include_held_out && held_out(o.shape, o.colour));
  o.size = pick<ObjectSize>(kSizes, random);
  const auto [low, high] = radius_range(o.size, objects);
  o.radius = random.between(low, high);
  return o;
}

bool same_kind(const SceneObject& a, const SceneObject& b) { return a.shape == b.shape && a.colour == b.colour; }

// Objects that differ pairwise in shape or colour, so that a caption can name each of them.
std::vector<SceneObject> different_objects(const SceneOptions& options, int n, SceneRandom& random) {
  std::vector<SceneObject> out;
  while (static_cast<int>(out.size()) < n) {
    const SceneObject o = make_object(options, n, random);
    if (std::none_of(out.begin(), out.end(), [&](const SceneObject& p) { return same_kind(o, p); })) out.push_back(o);
  }
  return out;
}

std::vector<SceneObject> equal_objects(const SceneOptions& options, int n, SceneRandom& random) {
  std::vector<SceneObject> out(static_cast<std::size_t>(n), make_object(options, n, random));
  const auto [low, high] = radius_range(out[0].size, n);
  for (SceneObject& o : out) o.radius = random.between(low, high);
  return out;
}

struct Extent {
  double x, y, half_width, half_height;
};

bool apart(const Extent& a, const Extent& b) {
  return std::abs(a.x - b.x) > a.half_width + b.half_width + kBorder || std::abs(a.y - b.y) > a.half_height + b.half_height + kBorder;
}

double position(double half, SceneRandom& random) { return random.between(half + kBorder, 1 - half - kBorder); }

// Draws places until nothing overlaps; shrinks everything a little when a layout does not come about.
void place_apart(std::vector<SceneObject>& objects, std::optional<Sign>& sign, SceneRandom& random) {
  for (int tries = 1;; ++tries) {
    std::vector<Extent> taken;
    if (sign) {
      sign->x = position(sign->half_width, random);
      sign->y = position(sign->half_height, random);
      taken.push_back({sign->x, sign->y, sign->half_width, sign->half_height});
    }
    bool fits = true;
    for (SceneObject& o : objects) {
      o.x = position(o.radius, random);
      o.y = position(o.radius, random);
      const Extent e{o.x, o.y, o.radius, o.radius};
      fits = fits && std::all_of(taken.begin(), taken.end(), [&](const Extent& t) { return apart(e, t); });
      taken.push_back(e);
    }
    if (fits) return;
    if (tries % kTriesPerLayout == 0)
      for (SceneObject& o : objects) o.radius *= 0.95;
  }
}

// The outer one is a shape with a broad middle; the inner one has another colour and fits well inside.
std::vector<SceneObject> nested_objects(const SceneOptions& options, SceneRandom& random) {
  SceneObject outer, inner;
  do outer = make_object(options, 1, random);
  while (outer.shape == Shape::cross || outer.shape == Shape::ring || outer.shape == Shape::star || outer.shape == Shape::heart);
  do inner = make_object(options, 2, random);
  while (inner.colour == outer.colour || inner.shape == Shape::ring);
  outer.size = ObjectSize::large;
  outer.radius = random.between(0.30, 0.38);
  outer.x = position(outer.radius, random);
  outer.y = position(outer.radius, random);
  const bool pointed = outer.shape == Shape::triangle || outer.shape == Shape::diamond;
  inner.size = ObjectSize::small;
  inner.radius = outer.radius * (pointed ? random.between(0.30, 0.36) : random.between(0.34, 0.46));
  inner.x = outer.x;
  inner.y = outer.y + (outer.shape == Shape::triangle ? 0.25 * outer.radius : 0);
  return {outer, inner};
}

std::string sign_text(const SceneOptions& options, SceneRandom& random) {
  const auto allowed = [&](const std::string& word) { return options.include_held_out || !held_out(word); };
  for (;;) {
    std::string text;
    if (random.chance(0.5)) {
      text = sign_words()[static_cast<std::size_t>(random.below(static_cast<int>(sign_words().size())))];
    } else {  // letters at random: the alphabet has to be learnt, not the list. Short texts are the most common.
      const int length = 1 + std::min(random.below(kMaxLetters), random.below(kMaxLetters));
      for (int i = 0; i < length; ++i) text += "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[random.below(36)];
    }
    if (allowed(text)) return text;
  }
}

Sign make_sign(const SceneOptions& options, bool alone, SceneRandom& random) {
  Sign sign;
  sign.text = sign_text(options, random);
  sign.colour = pick<Colour>(options.colours, random);
  sign.font = random.below(kFonts);
  const double aspect = text_aspect(sign.text, sign.font), widest = 0.84;
  const double letters = std::min(alone ? random.between(0.20, 0.28) : random.between(0.18, 0.22), widest / aspect);
  sign.half_width = letters * aspect / 2 + 0.05;
  sign.half_height = letters / 2 + 0.05;
  return sign;
}

}  // namespace

const char* name(Shape shape) { return kShapeNames[static_cast<std::size_t>(shape)]; }
const char* name(Colour colour) { return kColourNames[static_cast<std::size_t>(colour)]; }
const char* name(Tone tone) { return kToneNames[static_cast<std::size_t>(tone)]; }
const char* name(Pattern pattern) { return kPatternNames[static_cast<std::size_t>(pattern)]; }
const char* name(ObjectSize size) { return kSizeNames[static_cast<std::size_t>(size)]; }
const char* name(SceneKind kind) { return kKindNames[static_cast<std::size_t>(kind)]; }
Rgb rgb(Colour colour) { return kColourValues[static_cast<std::size_t>(colour)]; }
Rgb rgb(Tone tone) { return kToneValues[static_cast<std::size_t>(tone)]; }
Rgb second_rgb(Tone tone) { return kSecondValues[static_cast<std::size_t>(tone)]; }

bool dark_letters(Colour board) {
  const Rgb c = rgb(board);
  return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b > 128;
}

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

std::array<double, 2> radius_range(ObjectSize size, int objects) {
  constexpr std::array<std::array<double, 2>, kSizes> kAlone = {{{0.14, 0.17}, {0.20, 0.24}, {0.28, 0.32}}};
  constexpr std::array<double, kMaxObjects> kScale = {1.0, 0.74, 0.60, 0.54};
  const double scale = kScale[static_cast<std::size_t>(std::clamp(objects, 1, kMaxObjects) - 1)];
  const auto& range = kAlone[static_cast<std::size_t>(size)];
  return {scale * range[0], scale * range[1]};
}

Scene make_scene(const SceneOptions& options, std::uint64_t seed, std::uint64_t index) {
  SceneRandom random(seed, index);
  Scene scene;
  scene.tone = pick<Tone>(kTones, random);
  // Half of the backgrounds are plain; the patterns share the rest.
  scene.pattern = options.patterns > 1 && random.chance(0.5) ? static_cast<Pattern>(1 + random.below(options.patterns - 1)) : Pattern::plain;
  double total = 0;
  for (const double s : options.share) total += s;
  double ticket = random.uniform() * total;
  int kind = 0;
  while (kind + 1 < kSceneKinds && ticket >= options.share[static_cast<std::size_t>(kind)]) ticket -= options.share[static_cast<std::size_t>(kind++)];
  scene.kind = static_cast<SceneKind>(kind);
  switch (scene.kind) {
    case SceneKind::single: scene.objects = different_objects(options, 1, random); break;
    case SceneKind::pair: scene.objects = different_objects(options, 2, random); break;
    case SceneKind::nested: scene.objects = nested_objects(options, random); return scene;
    case SceneKind::count: scene.objects = equal_objects(options, 2 + random.below(3), random); break;
    case SceneKind::group: scene.objects = different_objects(options, 3 + random.below(2), random); break;
    case SceneKind::sign: {
      const bool alone = !random.chance(1.0 / 3);
      scene.sign = make_sign(options, alone, random);
      if (!alone) scene.objects = different_objects(options, 1, random);
      for (SceneObject& o : scene.objects) o.radius *= 0.7;
      break;
    }
  }
  place_apart(scene.objects, scene.sign, random);
  return scene;
}

}  // namespace safelight
