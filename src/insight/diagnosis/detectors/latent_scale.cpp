// Latents scaled by another factor than the model was calibrated with before they are decoded.
#include <fmt/format.h>

#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.baseline) return {};
  const double factor = fact(in.trace, "decoder", "scaling_factor");
  const auto band = in.baseline->facts.find("decoder.scaling_factor");
  if (band == in.baseline->facts.end() || !std::isfinite(factor) || std::abs(factor / band->second.median - 1) < 1e-3) return {};
  return {{.subsystem = "configuration", .cause = "latent-scale", .severity = 50, .module = "vae/config.json",
           .what = fmt::format("latents are divided by {:.5g} before decoding; the model was calibrated with {:.5g}", factor, band->second.median),
           .evidence = {{.statistic = "decoder.scaling_factor", .value = factor, .low = band->second.low, .high = band->second.high}}}};
}

}  // namespace

DetectorEntry latent_scale() { return {"latent-scale", "configuration", "latents scaled by the wrong factor before decoding", detect}; }

}  // namespace safelight
