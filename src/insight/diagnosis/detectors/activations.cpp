// The first block of the denoiser whose output leaves its band (P23).
#include <fmt/format.h>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.baseline || !in.trace.has("activations.rms") || in.trace.steps_done() == 0) return {};
  // Only the first evaluation: later ones see latents that other faults have already moved.
  const auto& rows = in.trace.values("activations.rms");
  for (std::size_t m = 0; m < rows.front().size(); ++m) {
    const Band* band = in.baseline->band("activations.rms", m, in.trace.nodes().front().timestep);
    if (!band) continue;
    const double d = band->deviation(rows.front()[m], 0.05 * band->median);
    if (d < 3) continue;
    std::string module = fmt::format("block {}", m);
    for (const SeriesInfo& s : in.trace.series())
      if (s.name == "activations.rms" && m < s.labels.size()) module = s.labels[m];
    return {{.subsystem = "denoiser", .cause = "activation-band", .first_step = 0, .last_step = 0, .severity = d, .module = "unet." + module,
             .what = "the output of " + module + " lies outside its band at the first evaluation",
             .evidence = {{.statistic = "activations.rms", .value = rows.front()[m], .low = band->low, .high = band->high, .step = 0, .note = module}}}};
  }
  return {};
}

}  // namespace

DetectorEntry activations_detector() { return {"activations", "denoiser", "the first block whose output leaves its band", detect}; }

}  // namespace safelight
