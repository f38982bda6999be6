// The two places round the decoder where nothing may happen: latents that change on their way into it, pixels that change on their way out.
#include <fmt/format.h>

#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

constexpr double kMoved = 1e-3;  // relative; healthy runs hand over the very same numbers

Finding latents_changed(const DetectorInput& in, double moved) {
  const double gain = fact(in.trace, "decoder", "latent_gain"), shift = fact(in.trace, "decoder", "latent_shift"), rest = fact(in.trace, "decoder", "latent_rest");
  Finding f{.subsystem = "decoder", .cause = "latent-handoff", .severity = 20 + moved, .module = "vae.decoder", .what = "", .evidence = {}};
  f.evidence.push_back({.statistic = "decoder.latent_moved", .value = moved, .low = 0.0, .high = kMoved});
  if (rest < kMoved) {
    f.subsystem = "configuration";
    f.cause = "latent-scale";
    f.what = fmt::format("the decoder is given {:.4g} times the latents{}", gain, std::abs(shift) > kMoved ? fmt::format(" plus {:.3g}", shift) : "");
    f.evidence.push_back({.statistic = "decoder.latent_gain", .value = gain, .low = 1 - kMoved, .high = 1 + kMoved});
    f.evidence.push_back({.statistic = "decoder.latent_shift", .value = shift, .low = -kMoved, .high = kMoved});
  } else {
    f.what = fmt::format("the decoder is given other latents than the last step left (changed by {:.2g} of their size)", moved);
  }
  return f;
}

std::vector<Finding> detect(const DetectorInput& in) {
  std::vector<Finding> out;
  const double latents = fact(in.trace, "decoder", "latent_moved"), pixels = fact(in.trace, "decoder", "pixels_moved");
  if (latents > kMoved) out.push_back(latents_changed(in, latents));
  if (pixels > kMoved)
    out.push_back({.subsystem = "postprocess", .cause = "pixels-changed", .severity = 20 + pixels, .what = fmt::format("the picture is changed after it was decoded (by {:.2g} of its size)", pixels),
                   .evidence = {{.statistic = "decoder.pixels_moved", .value = pixels, .low = 0.0, .high = kMoved}}});
  return out;
}

}  // namespace

DetectorEntry decoder_handoff() { return {"decoder-handoff", "decoder", "latents that change on their way into the decoder, pixels on their way out", detect}; }

}  // namespace safelight
