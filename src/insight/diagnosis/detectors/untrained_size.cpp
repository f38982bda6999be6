// A picture of another size than those that the model was calibrated with: objects double, merge or lose their layout.
#include <fmt/format.h>

#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  constexpr double kFar = 1.5;   // times as many places of the latent, or as few
  if (!in.baseline) return {};
  const auto usual_height = in.baseline->facts.find("latents.height"), usual_width = in.baseline->facts.find("latents.width");
  const double height = fact(in.trace, "latents", "height"), width = fact(in.trace, "latents", "width");
  if (usual_height == in.baseline->facts.end() || usual_width == in.baseline->facts.end() || !(height > 0) || !(width > 0)) return {};
  const double usual = usual_height->second.median * usual_width->second.median, ratio = height * width / usual, far = std::max(ratio, 1 / ratio);
  if (far < kFar) return {};
  return {{.subsystem = "configuration", .cause = "untrained-size", .first_step = 0, .last_step = in.trace.steps_done() - 1, .severity = 2 * far,
           .what = fmt::format("a latent of {:.0f} x {:.0f} has {:.2g} times the area of those that the model was calibrated with", width, height, ratio),
           .evidence = {{.statistic = "latents.area", .value = height * width, .low = usual / kFar, .high = usual * kFar}}}};
}

}  // namespace

DetectorEntry untrained_size() { return {"untrained-size", "configuration", "a picture far larger or smaller than the model was calibrated with", detect}; }

}  // namespace safelight
