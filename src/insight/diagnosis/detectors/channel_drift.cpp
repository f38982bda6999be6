// One latent channel that drifts from what the schedule expects (P03, P21) predicts a colour shift along that channel's
// direction in the decoder; the prediction is checked in the pixels.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

// Colour that one unit of the channel adds, in gray levels.
std::string predicted_shift(const Baseline& b, std::size_t channel, double amount) {
  if (channel + 1 >= b.latent_to_rgb.size()) return "";
  const auto& row = b.latent_to_rgb[channel];
  const auto shift = [&](double unit) { return std::clamp(unit * amount * 127.5, -255.0, 255.0); };
  return fmt::format("predicts a colour shift of ({:+.0f}, {:+.0f}, {:+.0f}) of 255", shift(row[0]), shift(row[1]), shift(row[2]));
}

std::vector<Finding> detect(const DetectorInput& in) {
  const Departure noise = departure(in, "latents.noise_mean", Side::either, 1.5);
  const Departure mean = departure(in, "latents.mean", Side::either, 1.5);
  const Departure drift = departure(in, "snr.drift_db", Side::either, 1.5);
  const Departure* d = noise.found ? &noise : mean.found ? &mean : drift.found ? &drift : nullptr;
  if (!d) return {};
  // Guidance and other global faults move every channel; a channel's own fault moves one.
  int moved = 0;
  const std::string series = d == &noise ? "latents.noise_mean" : d == &mean ? "latents.mean" : "snr.drift_db";
  const auto& rows = in.trace.values(series);
  const auto step = static_cast<std::size_t>(d->first_step);
  for (std::size_t e = 0; e < rows[step].size(); ++e) {
    const Band* band = in.baseline->band(series, e, in.trace.nodes()[step].timestep);
    moved += band && band->deviation(rows[step][e], 0.02) > 1.0;
  }
  if (moved > 1 && moved * 2 > static_cast<int>(rows[step].size())) return {};
  // What the finished latent carries of it is what the decoder turns into colour.
  const double last = in.trace.values("latents.mean").back()[d->element];
  const Band* usual = in.baseline->band("latents.mean", d->element, in.trace.nodes().back().timestep);
  const double amount = usual ? last - usual->median : 0.0;
  Finding f{.subsystem = "denoiser", .cause = "channel-drift", .first_step = d->first_step, .last_step = d->last_step, .severity = d->severity,
            .module = fmt::format("latent channel {}", d->element),
            .what = fmt::format("latent channel {} leaves its band at step {} and {}", d->element, d->first_step, predicted_shift(*in.baseline, d->element, amount)),
            .evidence = {evidence_of(series, *d, fmt::format("channel {}", d->element))}};
  if (drift.found && d != &drift) f.evidence.push_back(evidence_of("snr.drift_db", drift, fmt::format("channel {}", drift.element)));
  return {f};
}

}  // namespace

DetectorEntry channel_drift() { return {"channel-drift", "denoiser", "one latent channel that drifts, and the colour shift it predicts", detect}; }

}  // namespace safelight
