#include "engine/training/checker/scene_claims.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/training/scenes/captions.h"

namespace safelight {
namespace {

// Whether a caption's claims are those of its scene: the objects in the order of their mentions, nothing else, nothing false.
void expect_true_claims(const Scene& scene, const Caption& caption, const PromptClaims& claims) {
  EXPECT_TRUE(claims.unknown.empty());
  std::size_t next = 0;
  std::vector<const SceneObject*> claimed;
  for (const Mention& m : caption.mentions) {
    if (m.sign) continue;
    ASSERT_LT(next, claims.objects.size());
    const ObjectClaim& c = claims.objects[next++];
    EXPECT_EQ(c.noun, caption.text.substr(m.begin, m.end - m.begin));
    EXPECT_EQ(c.count, static_cast<int>(m.objects.size()));
    for (const int i : m.objects) {
      const SceneObject& o = scene.objects[static_cast<std::size_t>(i)];
      EXPECT_TRUE(c.shape == o.shape && (!c.colour || c.colour == o.colour) && (!c.size || c.size == o.size));
    }
    claimed.push_back(&scene.objects[static_cast<std::size_t>(m.objects[0])]);
    EXPECT_TRUE(!c.place || ((claimed.back()->x - 0.5) * c.place->side >= 0 && (claimed.back()->y - 0.5) * c.place->level >= 0));
  }
  EXPECT_EQ(next, claims.objects.size());
  ASSERT_EQ(claims.sign.has_value(), scene.sign.has_value());
  EXPECT_TRUE(!scene.sign || (claims.sign->text == scene.sign->text && (!claims.sign->colour || claims.sign->colour == scene.sign->colour)));
  EXPECT_TRUE((!claims.tone || claims.tone == scene.tone) && (!claims.pattern || claims.pattern == scene.pattern));
  for (const RelationClaim& r : claims.relations) {
    const auto x = [&](int c) { return c == kTheSign ? scene.sign->x : claimed[static_cast<std::size_t>(c)]->x; };
    const auto y = [&](int c) { return c == kTheSign ? scene.sign->y : claimed[static_cast<std::size_t>(c)]->y; };
    switch (r.relation) {
      case Relation::left: EXPECT_LT(x(r.first), x(r.second)); break;
      case Relation::right: EXPECT_GT(x(r.first), x(r.second)); break;
      case Relation::above: EXPECT_LT(y(r.first), y(r.second)); break;
      case Relation::below: EXPECT_GT(y(r.first), y(r.second)); break;
      case Relation::inside: EXPECT_EQ(claimed[static_cast<std::size_t>(r.first)], &scene.objects[1]); break;
    }
  }
}

TEST(SceneClaims, AreReadBackFromCaptions) {
  const SceneOptions options{.image_px = 128, .shapes = 8, .colours = 10, .patterns = 4, .share = {1, 1, 1, 1, 1, 1}};
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const Scene scene = make_scene(options, 3, i);
    const Caption text = caption(scene, i);
    SCOPED_TRACE(text.text);
    const PromptClaims claims = parse_prompt(text.text);
    expect_true_claims(scene, text, claims);
    const auto says = [&](const char* word) { return text.text.find(word) != std::string::npos; };
    EXPECT_EQ(claims.relations.size(), static_cast<std::size_t>(says("left of") + says("right of") + says("above") + says("below") + says("inside")));
    EXPECT_EQ(claims.tone.has_value(), says("background") || says(" on white") || says(" on gray") || says(" on black"));
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SceneClaims, AreReadFromWhatAPersonTypes) {
  PromptClaims c = parse_prompt("Two RED circles and a blue square, on a Grey chequered background!");
  ASSERT_EQ(c.objects.size(), 2u);
  EXPECT_EQ(c.objects[0].count, 2);
  EXPECT_EQ(c.objects[0].colour, Colour::red);
  EXPECT_EQ(c.objects[1].shape, Shape::square);
  EXPECT_EQ(c.tone, Tone::gray);
  EXPECT_EQ(c.pattern, Pattern::checkered);
  EXPECT_TRUE(c.unknown.empty());

  c = parse_prompt("a tiny star to the left of a big heart");
  ASSERT_EQ(c.relations.size(), 1u);
  EXPECT_EQ(c.relations[0].relation, Relation::left);
  EXPECT_EQ(c.objects[0].size, ObjectSize::small);
  EXPECT_EQ(c.objects[1].size, ObjectSize::large);

  c = parse_prompt("Inside a blue square is a red ring in the centre of the picture");
  ASSERT_EQ(c.relations.size(), 1u);
  EXPECT_EQ(c.relations[0].first, 1);
  EXPECT_EQ(c.objects[1].place, Place{});

  c = parse_prompt("a sign saying \u201cNo exit\u201d above a circle in the top-left corner");
  ASSERT_TRUE(c.sign);
  EXPECT_EQ(c.sign->text, "NO EXIT");
  EXPECT_EQ(c.relations[0].first, kTheSign);
  EXPECT_EQ(c.objects[0].place, (Place{-1, -1, true}));

  c = parse_prompt("a red circle on the left and a blue square on the right");
  EXPECT_EQ(c.objects[0].place, (Place{-1, 0, false}));
  EXPECT_EQ(c.objects[1].place, (Place{1, 0, false}));
}

TEST(SceneClaims, NameWhatTheyDoNotUnderstand) {
  EXPECT_EQ(parse_prompt("a cat and a red circle").unknown, std::vector<std::string>{"cat"});
  EXPECT_EQ(parse_prompt("a black circle").unknown, std::vector<std::string>{"black"});  // no object is black in this world
  EXPECT_EQ(parse_prompt("five circles").unknown, std::vector<std::string>{"five"});
  EXPECT_TRUE(parse_prompt("").objects.empty());
  EXPECT_TRUE(parse_prompt("\"\" \" ' left of inside").objects.empty());
}

}  // namespace
}  // namespace safelight
