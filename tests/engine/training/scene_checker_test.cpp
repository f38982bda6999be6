#include "engine/training/scene_checker.h"

#include <gtest/gtest.h>

#include "engine/training/captions.h"
#include "engine/training/scene_render.h"

namespace safelight {
namespace {

constexpr int kTruths = 2000;

struct Drawn {
  Scene scene;
  std::vector<std::uint8_t> pixels;
};

Drawn drawn(std::uint64_t index) {
  const SceneOptions options;
  Drawn d{make_scene(options, 77, index), std::vector<std::uint8_t>(64 * 64 * 3)};
  render_scene(d.scene, options, d.pixels.data());
  SceneRandom random(5, index);
  for (auto& p : d.pixels) p = static_cast<std::uint8_t>(std::clamp(p + static_cast<int>(random.between(-8, 8)), 0, 255));  // mild noise
  return d;
}

PromptClaims claims_of(const Scene& scene) {
  PromptClaims c;
  for (const SceneObject& o : scene.objects) c.objects.push_back({o.shape, o.colour});
  return c;
}

TEST(SceneChecker, IsRightOnRenderedTruths) {
  int right = 0;
  for (std::uint64_t i = 0; i < kTruths; ++i) {
    const Drawn d = drawn(i);
    right += check_image(d.pixels.data(), 64, claims_of(d.scene)).all();
  }
  EXPECT_GE(right, kTruths * 99 / 100);
}

TEST(SceneChecker, IsRightOnWrongClaims) {
  int right = 0;
  for (std::uint64_t i = 0; i < kTruths; ++i) {
    const Drawn d = drawn(i);
    PromptClaims c = claims_of(d.scene);
    SceneRandom random(9, i);
    ObjectClaim& o = c.objects[static_cast<std::size_t>(random.below(static_cast<int>(c.objects.size())))];
    if (random.below(2) == 0) o.shape = static_cast<Shape>((static_cast<int>(*o.shape) + 1 + random.below(kShapes - 1)) % kShapes);
    else o.colour = static_cast<Colour>((static_cast<int>(*o.colour) + 1 + random.below(kColours - 1)) % kColours);
    right += !check_image(d.pixels.data(), 64, c).all();
  }
  EXPECT_GE(right, kTruths * 99 / 100);
}

TEST(SceneChecker, ReadsCaptionsBack) {
  const SceneOptions options;
  for (std::uint64_t i = 0; i < 500; ++i) {
    const Scene scene = make_scene(options, 3, i);
    const PromptClaims c = parse_prompt(caption(scene, options, i));
    ASSERT_EQ(c.objects.size(), scene.objects.size()) << caption(scene, options, i);
    EXPECT_TRUE(c.unknown.empty());
    for (const SceneObject& o : scene.objects)
      EXPECT_TRUE(std::any_of(c.objects.begin(), c.objects.end(), [&](const ObjectClaim& k) { return k.shape == o.shape && k.colour == o.colour; })) << caption(scene, options, i);
  }
}

TEST(Scenes, AreTheSameForTheSameNumbers) {
  const SceneOptions options;
  std::uint64_t hash = 1469598103934665603ull;
  std::vector<std::uint8_t> pixels(64 * 64 * 3);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Scene scene = make_scene(options, 1, i);
    for (const SceneObject& o : scene.objects) EXPECT_FALSE(held_out(o.shape, o.colour));
    render_scene(scene, options, pixels.data());
    for (const std::uint8_t p : pixels) hash = (hash ^ p) * 1099511628211ull;
  }
  std::uint64_t again = 1469598103934665603ull;
  for (std::uint64_t i = 0; i < 50; ++i) {
    render_scene(make_scene(options, 1, i), options, pixels.data());
    for (const std::uint8_t p : pixels) again = (again ^ p) * 1099511628211ull;
  }
  EXPECT_EQ(hash, again);
}

}  // namespace
}  // namespace safelight
