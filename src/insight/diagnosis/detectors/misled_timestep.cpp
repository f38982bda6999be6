// The network is told another noise level than the solver works with.
#include <fmt/format.h>

#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

constexpr double kLeast = 0.51;  // training steps: tables of whole steps round by up to a half

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.trace.has("scheduler.misled")) return {};
  const std::vector<double> misled = in.trace.scalar("scheduler.misled");
  for (std::size_t i = 0; i < misled.size(); ++i)
    if (std::abs(misled[i]) > kLeast) {
      const int step = static_cast<int>(i);
      return {{.subsystem = "scheduler", .cause = "timestep-told", .first_step = step, .last_step = in.trace.steps_done() - 1, .severity = 20 + std::abs(misled[i]),
               .what = fmt::format("the network is told timestep {:.0f} where the solver is at {:.0f}", in.trace.nodes()[i].timestep + misled[i], in.trace.nodes()[i].timestep),
               .evidence = {{.statistic = "scheduler.misled", .value = misled[i], .low = -kLeast, .high = kLeast, .step = step}}}};
    }
  return {};
}

}  // namespace

DetectorEntry misled_timestep() { return {"misled-timestep", "scheduler", "a network that is told another noise level than the solver works with", detect}; }

}  // namespace safelight
