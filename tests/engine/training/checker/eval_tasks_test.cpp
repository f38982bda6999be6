#include "engine/training/checker/eval_tasks.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/error.h"
#include "engine/training/checker/scene_claims.h"

namespace safelight {
namespace {

const SceneOptions kSmallWorld;
const SceneOptions kWholeWorld{.image_px = 128, .shapes = 8, .colours = 10, .patterns = 4, .share = {1, 1, 1, 1, 1, 1}};

TEST(EvalTasks, HaveAHundredPromptsThatAreUnderstood) {
  for (const SceneOptions& world : {kSmallWorld, kWholeWorld})
    for (const std::string& task : eval_tasks(world)) {
      SCOPED_TRACE(task);
      const auto prompts = eval_prompts(task, world, 100);
      ASSERT_EQ(prompts.size(), 100u);
      std::set<std::string> texts;
      for (const EvalPrompt& p : prompts) {
        const PromptClaims c = parse_prompt(p.text);
        EXPECT_TRUE(c.unknown.empty()) << p.text;
        EXPECT_TRUE(texts.insert(p.text).second) << p.text;
        bool held = false;
        for (const ObjectClaim& o : c.objects) held = held || (o.colour && held_out(*o.shape, *o.colour));
        if (c.sign) held = held_out(c.sign->text) || (p.task == "text-5-8" && p.held_out);  // letters at random count as held out
        EXPECT_EQ(p.held_out, held) << p.text;
      }
    }
}

TEST(EvalTasks, AreThoseOfTheWorld) {
  EXPECT_EQ(eval_tasks(kSmallWorld), (std::vector<std::string>{"single", "colour", "two", "position", "binding", "background"}));
  EXPECT_EQ(eval_tasks(kWholeWorld).size(), 10u);
  try {
    eval_prompts("text", kSmallWorld, 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("single, colour, two"), std::string::npos);
  }
}

TEST(EvalTasks, WalkEveryPairOfShapeAndColour) {
  std::set<std::string> pairs;
  for (const EvalPrompt& p : eval_prompts("colour", kWholeWorld, 80)) {
    const ObjectClaim o = parse_prompt(p.text).objects.at(0);
    pairs.insert(std::string(name(*o.colour)) + name(*o.shape));
  }
  EXPECT_EQ(pairs.size(), 80u);
}

TEST(EvalTasks, PromptsDoNotChangeWithTheirNumber) {
  const auto few = eval_prompts("nested", kWholeWorld, 10), many = eval_prompts("nested", kWholeWorld, 200);
  for (std::size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i].text, many[i].text);
  EXPECT_EQ(eval_prompts("text", kWholeWorld, 1)[0].text, "a red sign that says \"ZONE\"");
}

}  // namespace
}  // namespace safelight
