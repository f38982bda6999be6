// A decoder that does not do what its latents ask (P15): the picture disagrees with the independent cheap decode while
// the latents themselves are healthy.
#include <fmt/format.h>

#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.baseline) return {};
  Finding f{.subsystem = "decoder", .cause = "decoder-mismatch", .severity = 0, .module = "vae.decoder", .what = "", .evidence = {}};
  for (const char* key : {"gain", "linear_psnr_db", "linear_correlation", "out_of_range", "offset"}) {
    const double value = fact(in.trace, "decoder", key);
    const auto band = in.baseline->facts.find(std::string("decoder.") + key);
    if (band == in.baseline->facts.end() || !std::isfinite(value)) continue;
    const double d = band->second.deviation(value, 0.02 * std::abs(band->second.median) + 0.01);
    if (d < 0.75) continue;
    f.severity = std::max(f.severity, d);
    f.evidence.push_back({.statistic = std::string("decoder.") + key, .value = value, .low = band->second.low, .high = band->second.high});
  }
  const auto rms = in.baseline->features.find("latent.rms");
  const StoredTensor z = in.trace.final_latent();
  double square = 0;
  for (const float v : z.values) square += static_cast<double>(v) * v / static_cast<double>(z.values.size());
  const bool latent_healthy = !z.values.empty() && rms != in.baseline->features.end() && rms->second.deviation(std::sqrt(square), 0.05) < 0.5;
  if (f.evidence.empty() || !latent_healthy) return {};
  f.what = "the latents are healthy, but the decoded picture disagrees with an independent decode of them";
  return {f};
}

}  // namespace

DetectorEntry decoder_mismatch() { return {"decoder-mismatch", "decoder", "a picture that disagrees with the cheap decode of its latents", detect}; }

}  // namespace safelight
