// Guidance too weak to follow the prompt (P07): a scale far below the calibrated one, and the pull towards the prompt with it.
#include <fmt/format.h>

#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

// Mean pull over the steps against the middle of the healthy bands; NaN where nothing can be compared. No second estimate is no pull.
double pull(const DetectorInput& in) {
  if (!in.trace.has("guidance.delta_ratio")) return std::nan("");
  const std::vector<double> ratio = in.trace.scalar("guidance.delta_ratio");
  double now = 0, usual = 0;
  for (std::size_t i = 0; i < ratio.size(); ++i) {
    const Band* band = in.baseline->band("guidance.delta_ratio", 0, in.trace.nodes()[i].timestep);
    if (!band) continue;
    now += std::isfinite(ratio[i]) ? ratio[i] : 0;
    usual += band->median;
  }
  return usual > 0 ? now / usual : std::nan("");
}

std::vector<Finding> detect(const DetectorInput& in) {
  constexpr double kWeakScale = 0.6, kWeak = 0.85;   // of the calibrated scale, and of its pull
  if (!in.baseline || in.trace.steps_done() == 0 || !in.trace.has("guidance.scale")) return {};
  const Band* usual = in.baseline->band("guidance.scale", 0, in.trace.nodes().front().timestep);
  const double scale = in.trace.scalar("guidance.scale").front(), strength = pull(in);
  if (!usual || !(usual->median > 1) || !(scale < kWeakScale * usual->median) || !(strength < kWeak)) return {};
  return {{.subsystem = "guidance", .cause = "guidance-weak", .first_step = 0, .last_step = in.trace.steps_done() - 1, .severity = usual->median / std::max(scale, 0.1),
           .what = fmt::format("guidance {:.3g} pulls towards the prompt with {:.2g} of the usual strength; healthy runs had {:.3g}", scale, strength, usual->median),
           .evidence = {{.statistic = "guidance.scale", .value = scale, .low = kWeakScale * usual->median, .high = usual->high, .step = 0},
                        {.statistic = "guidance.delta_ratio", .value = strength, .low = kWeak, .high = {}, .step = -1, .note = "mean over the steps, against the healthy median"}}}};
}

}  // namespace

DetectorEntry guidance_weak() { return {"guidance-weak", "guidance", "guidance too weak to follow the prompt", detect}; }

}  // namespace safelight
