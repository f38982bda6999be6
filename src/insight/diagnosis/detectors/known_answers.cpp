// The first stage whose answer to a known request departs from the one that was recorded when the model was calibrated.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "insight/diagnosis/detector.h"

namespace safelight {
namespace {

struct Blame {
  const char* subsystem;
  const char* cause;
  std::string module, what;
};

Blame blame_guidance(const AnswerCheck& c) {
  if (c.halves_swapped) return {"guidance", "guidance-swapped", "", "the estimates with and without the prompt have changed places"};
  const double f = c.delta_factor;
  if (std::abs(f) < 0.05) return {"guidance", "guidance-lost", "", "the estimates with and without the prompt are the same"};
  if (f < 0) return {"guidance", "guidance-inverted", "", fmt::format("guidance leads away from the prompt: its difference is {:.3g} times what it was", f)};
  return {"guidance", f > 1 ? "guidance-burn" : "guidance-weak", "", fmt::format("guidance works with {:.3g} times the difference that it should", f)};
}

// Anything between the prompt and the network's output that changes the guidance delta alone.
bool is_guidance(const AnswerCheck& c) { return c.halves_swapped || (std::isfinite(c.delta_factor) && std::abs(c.delta_factor - 1) > c.tolerance); }

Blame blame_attention(const AnswerCheck& c) {
  constexpr double kMoved = 0.1;
  if (c.spread < 1 - kMoved) return {"cross-attention", "attention-flat", "", fmt::format("the logits of cross-attention spread {:.2g} times as far as they should", c.spread)};
  if (c.spread > 1 + kMoved) return {"cross-attention", "attention-sharp", "", fmt::format("the logits of cross-attention spread {:.2g} times as far as they should", c.spread)};
  return {"cross-attention", "attention-rerouted", "", "cross-attention brings other words to places of the picture than it should"};
}

Blame blame(const AnswerCheck& c) {
  const Parting& p = *c.parted;
  const bool lost = std::isfinite(c.delta_factor) && std::abs(c.delta_factor) < 0.05;
  switch (p.stage) {
    case Stage::tokens: return {"prompt", "tokens-changed", "", "a known prompt gives other tokens than it did"};
    case Stage::text: case Stage::empty_text: return {"text-encoder", "text-changed", "", "the text encoder gives something else for the same tokens"};
    case Stage::schedule: return {"scheduler", "schedule-changed", "", "the noise levels are not those that the model was calibrated with"};
    case Stage::entered: return {"scheduler", "noise-changed", "", "the same seed gives another initial noise"};
    case Stage::block: case Stage::attention:
      if (lost) return blame_guidance(c);
      if (c.through_attention) return blame_attention(c);
      return {"denoiser", "activation-band", p.module.empty() ? "" : "unet." + p.module, "the output of " + (p.module.empty() ? "the denoiser" : p.module) + " has changed for the same input"};
    case Stage::without: case Stage::with: case Stage::channels:
      if (is_guidance(c)) return blame_guidance(c);
      if (c.channel >= 0) return {"denoiser", "channel-drift", fmt::format("latent channel {}", c.channel), fmt::format("latent channel {} of the estimate is pushed", c.channel)};
      return {"denoiser", "output-changed", "", "the denoiser's output is changed after its last block"};
    case Stage::guided: return {"guidance", "guidance-changed", "", "the same two estimates are combined into another one"};
    case Stage::left: return {"scheduler", "solver-changed", "", "from the same estimate the solver steps elsewhere"};
    case Stage::latent: return {"decoder", "latent-handoff", "", "the latents change between the last step and the decoder"};
    case Stage::decoded: return {"decoder", "decoder-mismatch", "vae.decoder", "the decoder gives another picture for the same latents"};
    case Stage::pixels: return {"postprocess", "pixels-changed", "", "the picture changes after it was decoded"};
  }
  return {"configuration", "unknown", "", ""};
}

std::vector<Finding> detect(const DetectorInput& in) {
  if (!in.answers || !in.answers->parted) return {};
  const AnswerCheck& c = *in.answers;
  const Blame b = blame(c);
  // The same noise level in the run that is diagnosed, which may have visited others.
  int step = -1;
  for (int i = 0; i < in.trace.steps_done() && step < 0 && c.timestep >= 0; ++i)
    if (in.trace.nodes()[static_cast<std::size_t>(i)].timestep <= c.timestep + 1e-6) step = i;
  const double severity = 10 + std::min(c.parted->distance, 90.0);
  return {{.subsystem = b.subsystem, .cause = b.cause, .first_step = step, .last_step = step < 0 ? -1 : in.trace.steps_done() - 1, .severity = severity, .module = b.module,
           .what = b.what + fmt::format(" (a known request's answer departs by {:.2g} of its size at stage '{}')", std::min(c.parted->distance, 99.0), name(c.parted->stage)),
           .evidence = {{.statistic = std::string("known-answer.") + name(c.parted->stage), .value = std::min(c.parted->distance, 1e6), .low = 0.0, .high = c.tolerance, .step = step, .note = c.run}}}};
}

}  // namespace

DetectorEntry known_answers() { return {"known-answers", "denoiser", "the first stage whose answer to a known request has changed since calibration", detect}; }

}  // namespace safelight
