// Pipeline files: what is refused, with what is allowed.
#include "service/jobs/pipeline.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/error.h"
#include "service/jobs/stage.h"

namespace safelight {
namespace {

std::string refusal(const std::string& toml) {
  try {
    parse_pipeline({.file = "test.toml", .toml = toml, .slo_toml = ""});
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

const std::string kHead = "name = \"p\"\nprompt = \"a barn\"\n";
const std::string kDraw = "[[stage]]\nname = \"draw\"\nkind = \"generate\"\n";

TEST(PipelineFiles, AStageTakesTheOneBeforeUnlessItNamesAnother) {
  const Pipeline p = parse_pipeline({.file = "t", .toml = kHead + kDraw + "[[stage]]\nname = \"big\"\nkind = \"upscale\"\n[[stage]]\nname = \"small\"\nkind = \"upscale\"\ninput = \"draw\"\nscale = 0.5\n", .slo_toml = ""});
  EXPECT_EQ(p.stages[1].input, "draw");
  EXPECT_EQ(p.stages[2].input, "draw");
  EXPECT_EQ(p.stages[2].settings["scale"], 0.5);
  EXPECT_EQ(p.slo.name, "free");
  EXPECT_EQ(p.slo.cost.per_image_usd, 0);
}

TEST(PipelineFiles, EveryProblemIsToldAtOnceWithWhatIsAllowed) {
  const std::string text = refusal("name = \"a b\"\ncolour = 1\n[[stage]]\nname = \"x\"\nkind = \"paint\"\non_failure = \"hope\"\n[[stage]]\nname = \"x\"\nkind = \"upscale\"\nscale = 99.0\ninput = \"later\"\nzoom = 2\n");
  for (const char* part : {"name is 'a b'", "colour is unknown", "known: name, prompt, slo, stage", "kind is 'paint'", "approve, check, deliver, generate, refine, upscale", "known: fail, skip, use_previous",
                           "is 'x' again", "scale is outside", "stage[1].input is 'later'", "zoom is unknown"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
}

TEST(PipelineFiles, EdgesHaveToFit) {
  EXPECT_NE(refusal(kHead + "[[stage]]\nname = \"big\"\nkind = \"upscale\"\n").find("input is missing"), std::string::npos);
  EXPECT_NE(refusal(kHead + kDraw + "[[stage]]\nname = \"more\"\nkind = \"generate\"\ninput = \"draw\"\n").find("has no meaning for generate"), std::string::npos);
  EXPECT_NE(refusal(kHead + "[[stage]]\nname = \"draw\"\nkind = \"generate\"\non_failure = \"use_previous\"\n").find("nothing before it"), std::string::npos);
  EXPECT_NE(refusal("name = \"p\"\n" + kDraw).find("prompt is missing"), std::string::npos);
  EXPECT_NE(refusal(kHead + kDraw + "strength = 0.5\n").find("refine"), std::string::npos);
  EXPECT_NE(refusal(kHead).find("[[stage]]"), std::string::npos);
  EXPECT_NE(refusal(kHead + kDraw + "[[stage]]\nname = \"out\"\nkind = \"deliver\"\nfile = \"../../etc/x.png\"\n").find("leads out"), std::string::npos);
  EXPECT_NE(refusal("name = [").find("line 1"), std::string::npos);
}

TEST(PipelineFiles, TheExamplesAreValid) {
  int found = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(SAFELIGHT_SOURCE) / "docs/pipeline-examples")) {
    if (!file.is_regular_file()) continue;   // examples with stages of other rooms; tests/apps/pipelines_test.py has them
    EXPECT_NO_THROW(parse_pipeline(read_pipeline_source(file.path()))) << file.path();
    ++found;
  }
  EXPECT_GE(found, 1);
  EXPECT_THROW(read_pipeline_source("/nowhere/p.toml"), Error);
}

TEST(Stages, TheTableSaysWhatEveryKindIs) {
  for (const StageEntry& e : stage_table()) {
    EXPECT_FALSE(e.summary.empty()) << e.name;
    EXPECT_EQ(e.waits_for_person, !e.run) << e.name;
    EXPECT_TRUE(e.check) << e.name;
    Json unknown = {{"no_such_key", 1}};
    EXPECT_FALSE(e.check(unknown).empty()) << e.name;
    EXPECT_TRUE(e.check(Json::object()).empty()) << e.name;
  }
}

}  // namespace
}  // namespace safelight
