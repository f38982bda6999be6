#include "engine/training/checker/scene_checker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/training/scenes/captions.h"
#include "engine/training/scenes/scene_render.h"
#include "engine/training/checker/scene_structure.h"

namespace safelight {
namespace {

SceneOptions whole_world(int image_px = 128) { return {.image_px = image_px, .shapes = 8, .colours = 10, .patterns = 4, .share = {1, 1, 1, 1, 1, 1}}; }

void blur(std::vector<std::uint8_t>& p, int side) {  // every pixel but those of the border: the mean of three by three
  const std::vector<std::uint8_t> before = p;
  for (int y = 1; y + 1 < side; ++y)
    for (int x = 1; x + 1 < side; ++x)
      for (int k = 0; k < 3; ++k) {
        int sum = 0;
        for (int v = y - 1; v <= y + 1; ++v)
          for (int u = x - 1; u <= x + 1; ++u) sum += before[static_cast<std::size_t>(3 * (v * side + u) + k)];
        p[static_cast<std::size_t>(3 * (y * side + x) + k)] = static_cast<std::uint8_t>(sum / 9);
      }
}

// With mild noise, and blurred in half of the cases.
std::vector<std::uint8_t> photographed(const Scene& scene, int side, std::uint64_t index, bool may_blur = true) {
  std::vector<std::uint8_t> p(static_cast<std::size_t>(side * side * 3));
  render_scene(scene, side, p.data());
  if (may_blur && index % 2 == 1) blur(p, side);
  SceneRandom random(5, index);
  for (auto& v : p) v = static_cast<std::uint8_t>(std::clamp(v + random.below(17) - 8, 0, 255));
  return p;
}

template <class E>
E other(E value, int count, SceneRandom& random) {
  return static_cast<E>((static_cast<int>(value) + 1 + random.below(count - 1)) % count);
}

void alter_object(ObjectClaim& o, SceneRandom& random) {
  const int what = random.below(4);
  if (what == 0 && o.colour) o.colour = other(*o.colour, kColours, random);
  else if (what == 1) o.count = 1 + (o.count + random.below(kMaxObjects - 1)) % kMaxObjects;
  else if (what == 2 && o.place && *o.place != Place{}) o.place = Place{-o.place->side, -o.place->level, o.place->corner};
  else o.shape = other(*o.shape, kShapes, random);
}

// Makes one claim of a true prompt a wrong one.
void alter(PromptClaims& c, SceneRandom& random) {
  const int what = random.below(4);
  if (what == 0 && !c.relations.empty()) return std::swap(c.relations[0].first, c.relations[0].second);
  if (what == 1 && c.tone) c.tone = other(*c.tone, kTones, random);
  else if (c.sign && (what == 2 || c.objects.empty())) {
    char& letter = c.sign->text[static_cast<std::size_t>(random.below(static_cast<int>(c.sign->text.size())))];
    const char before = letter;
    while (letter == before) letter = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[random.below(36)];
  } else {
    alter_object(c.objects[static_cast<std::size_t>(random.below(static_cast<int>(c.objects.size())))], random);
  }
}

struct Measured {
  int wrong = 0, false_passes = 0, false_alarms = 0;  // truths not seen, wrong claims passed, faults of well made pictures
};

Measured measured(int pictures) {
  Measured m;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(pictures); ++i) {
    const Scene scene = make_scene(whole_world(), 11, i);
    const SeenScene seen = see(photographed(scene, 128, i).data(), 128);
    const std::string text = caption(scene, i).text;
    PromptClaims claims = parse_prompt(text);
    const CheckResult truth = check_scene(seen, claims);
    m.wrong += !truth.all();
    m.false_alarms += !structural_problems(seen).empty();
    SceneRandom random(3, i);
    alter(claims, random);
    const bool passed = check_scene(seen, claims).all();
    m.false_passes += passed;
    if (!truth.all() || passed) std::printf("%s \"%s\": %s\n", passed ? "passed, altered:" : "wrong:", text.c_str(), truth.reasons().c_str());
  }
  return m;
}

void expect_good(const Measured& m, int pictures) {
  EXPECT_LE(m.wrong, pictures * 5 / 1000);
  EXPECT_LE(m.false_passes, pictures * 5 / 1000);
  EXPECT_LE(m.false_alarms, pictures * 5 / 1000);
}

TEST(SceneChecker, IsRightOnDrawnTruthsAndOnWrongClaims) { expect_good(measured(2000), 2000); }

// The full measurement: run with --gtest_also_run_disabled_tests.
TEST(SceneChecker, DISABLED_IsRightOnTenThousand) { expect_good(measured(10000), 10000); }

TEST(SceneChecker, SeesSmallPictures) {
  int wrong = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const SceneOptions options;  // of the smallest model: 64 pixels, one or two objects
    const Scene scene = make_scene(options, 7, i);
    wrong += !check_image(photographed(scene, 64, i, false).data(), 64, parse_prompt(caption(scene, i).text)).all();
  }
  EXPECT_LE(wrong, 5);
}

TEST(SceneChecker, FindsTheMasksOfWhatIsClaimed) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    SceneOptions options = whole_world();
    options.share = {0, 1, 0, 0, 1, 0};  // objects that lie apart
    const Scene scene = make_scene(options, 21, i);
    PromptClaims claims;
    for (const SceneObject& o : scene.objects) claims.objects.push_back({.shape = o.shape, .colour = o.colour, .size = {}, .place = {}, .count = 1, .noun = ""});
    const SeenScene seen = see(photographed(scene, 128, i).data(), 128);
    for (const ItemMatch& m : check_scene(seen, claims).matches) {
      ASSERT_GE(m.seen, 0);
      const std::vector<std::uint8_t> truth = object_mask(scene.objects[static_cast<std::size_t>(m.claim)], 128), &mask = seen.objects[static_cast<std::size_t>(m.seen)].mask;
      int both = 0, either = 0;
      for (std::size_t p = 0; p < mask.size(); ++p) both += mask[p] && truth[p] > 127, either += mask[p] || truth[p] > 127;
      EXPECT_GT(both, either * 8 / 10) << caption(scene, i).text;
    }
  }
}

TEST(SceneChecker, GivesReasons) {
  Scene scene;
  scene.objects = {{Shape::circle, Colour::red, ObjectSize::medium, 0.3, 0.5, 0.15}, {Shape::square, Colour::blue, ObjectSize::medium, 0.7, 0.5, 0.15}};
  const std::vector<std::uint8_t> p = photographed(scene, 128, 0);
  const auto reasons = [&](const char* prompt) { return check_image(p.data(), 128, parse_prompt(prompt)).reasons(); };
  EXPECT_EQ(reasons("a red circle left of a blue square on white"), "");
  EXPECT_EQ(reasons("a red circle right of a blue square"), "the red circle is not right of the blue square");
  EXPECT_EQ(reasons("a red circle and a green square"), "green square was asked for; blue square is there");
  EXPECT_EQ(reasons("a red circle"), "1 object(s) were asked for; 2 object(s) are there");
  EXPECT_EQ(reasons("a sign that says \"NO\", a circle and a square"), "there is no sign; 2 object(s) and 1 sign(s) were asked for; 2 object(s) are there");
  EXPECT_FALSE(check_image(p.data(), 128, parse_prompt("a cat")).all());
}

TEST(Scenes, AreTheSameForTheSameNumbers) {
  SceneOptions options = whole_world();
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Scene scene = make_scene(options, 1, i);
    EXPECT_EQ(photographed(scene, 128, i), photographed(make_scene(options, 1, i), 128, i));
    for (const SceneObject& o : scene.objects) EXPECT_FALSE(held_out(o.shape, o.colour));
    EXPECT_FALSE(scene.sign && held_out(scene.sign->text));
  }
}

TEST(SceneStructure, NamesFaults) {
  Scene scene;
  scene.objects = {{Shape::circle, Colour::red, ObjectSize::medium, 0.35, 0.5, 0.15}, {Shape::circle, Colour::red, ObjectSize::medium, 0.63, 0.5, 0.15}};
  EXPECT_EQ(structural_problems(photographed(scene, 128, 0).data(), 128), std::vector<std::string>{"red object at the middle centre is several run into one"});
  scene.objects.resize(1);
  EXPECT_TRUE(structural_problems(photographed(scene, 128, 0).data(), 128).empty());
  scene.objects.push_back({Shape::circle, Colour::blue, ObjectSize::small, 0.8, 0.8, 0.02});
  EXPECT_EQ(structural_problems(photographed(scene, 128, 0).data(), 128), std::vector<std::string>{"1 speck(s) of colour"});
}

}  // namespace
}  // namespace safelight
