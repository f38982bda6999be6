#include <gtest/gtest.h>

#include "common/formats/picture_parameters.h"
#include "common/trace/trace_file.h"

namespace safelight {
namespace {

TEST(ParametersText, IsReadBackWhole) {
  const Json run = {{"prompt", "a \"red\" circle, left: blue\nSteps: are stone"}, {"negative", "green"}, {"steps", 12}, {"solver", "dpmpp-2m-sde"}, {"guidance", 4.5},
                    {"seed", 18446744073709551615ull}, {"width", 64}, {"height", 128}, {"model", "signs-nano"}};
  const auto found = picture_parameters({{{"parameters", parameters_text(run)}}}, "a.png");
  ASSERT_TRUE(found);
  const PictureParameters& p = *found;
  EXPECT_EQ(p.tool, "Safelight");
  EXPECT_EQ(p.request.prompt, run["prompt"]);
  EXPECT_EQ(p.request.negative, "green");
  EXPECT_EQ(p.request.steps, 12);
  EXPECT_EQ(p.request.scheduler.solver, "dpmpp-2m-sde");
  EXPECT_EQ(p.request.guidance, 4.5);
  EXPECT_EQ(p.request.seed, 18446744073709551615ull);
  EXPECT_EQ(p.request.height, 128);
  EXPECT_EQ(p.request.model, "signs-nano");
  EXPECT_TRUE(p.unknown.empty()) << p.unknown.front();
}

}  // namespace
}  // namespace safelight
