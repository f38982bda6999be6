// One latent channel that drifts from what the schedule expects (P03, P21) predicts a colour shift along that channel's
// direction in the decoder; the prediction is checked in the pixels.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

constexpr double kMoved = 0.01;  // standard deviations; rounding stays a thousand times below

// A channel whose mean changed between two steps: the one that moved most, and the first step that it entered moved.
struct Handoff {
  int step = -1;
  std::size_t channel = 0;
  double moved = 0;
  int last = -1;
};

Handoff find_handoff(const TraceReader& trace) {
  Handoff h;
  if (!trace.has("snr.handoff")) return h;
  const auto& rows = trace.values("snr.handoff");
  for (std::size_t step = 0; step < rows.size(); ++step)
    for (std::size_t c = 0; c < rows[step].size(); ++c) {
      const double moved = rows[step][c];
      if (!(std::abs(moved) > kMoved)) continue;
      if (h.step < 0) h.step = static_cast<int>(step);
      h.last = static_cast<int>(step);
      if (std::abs(moved) > std::abs(h.moved)) h.moved = moved, h.channel = c;
    }
  return h;
}

// Colour that one unit of the channel adds, in gray levels.
std::string predicted_direction(const Baseline* b, std::size_t channel, double amount) {
  if (!b || channel + 1 >= b->latent_to_rgb.size()) return "";
  const auto& row = b->latent_to_rgb[channel];
  const auto shift = [&](double unit) { return std::clamp(unit * amount * 127.5, -255.0, 255.0); };
  return fmt::format(" and adds ({:+.0f}, {:+.0f}, {:+.0f}) of 255 to the colour", shift(row[0]), shift(row[1]), shift(row[2]));
}

// What the finished latent carries of it is what the decoder turns into colour.
double final_offset(const DetectorInput& in, std::size_t channel) {
  if (!in.baseline || !in.trace.has("latents.mean") || in.trace.steps_done() == 0) return 0;
  const Band* usual = in.baseline->band("latents.mean", channel, in.trace.nodes().back().timestep);
  const double last = in.trace.values("latents.mean").back()[channel];
  return usual && std::isfinite(last) ? last - usual->median : 0.0;
}

Finding finding(const DetectorInput& in, std::size_t channel, int first, int last, double severity, Evidence evidence) {
  return {.subsystem = "denoiser", .cause = "channel-drift", .first_step = first, .last_step = last, .severity = severity,
          .module = fmt::format("latent channel {}", channel),
          .what = fmt::format("latent channel {} is pushed off its mean from step {} on{}", channel, first, predicted_direction(in.baseline, channel, final_offset(in, channel))),
          .evidence = {std::move(evidence)}};
}

std::vector<Finding> detect(const DetectorInput& in) {
  if (const Handoff h = find_handoff(in.trace); h.step >= 0)
    return {finding(in, h.channel, h.step, h.last, 4 + std::abs(h.moved) / kMoved,
                    {.statistic = "snr.handoff", .value = h.moved, .low = -kMoved, .high = kMoved, .step = h.step, .note = fmt::format("channel {}", h.channel)})};
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
  Finding f = finding(in, d->element, d->first_step, d->last_step, d->severity, evidence_of(series, *d, fmt::format("channel {}", d->element)));
  if (drift.found && d != &drift) f.evidence.push_back(evidence_of("snr.drift_db", drift, fmt::format("channel {}", drift.element)));
  return {f};
}

}  // namespace

DetectorEntry channel_drift() { return {"channel-drift", "denoiser", "one latent channel that drifts, and the colour shift it predicts", detect}; }

}  // namespace safelight
