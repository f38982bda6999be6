#include "insight/diagnosis/treatments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

namespace safelight {
namespace {

struct Input {
  const Finding& finding;
  const TraceReader& trace;
  Interventions change;   // the run's own, to be changed in one place
  double recommended(const char* key) const { return trace.run().contains("recommended") ? trace.run()["recommended"].value(key, 0.0) : 0.0; }
  double resolved(const char* key) const { return trace.run()["resolved"].value(key, 0.0); }
  const Evidence* evidence(std::string_view statistic) const {
    for (const Evidence& e : finding.evidence)
      if (e.statistic == statistic) return &e;
    return nullptr;
  }
  int before() const { return std::max(0, finding.first_step - 1); }  // the last step that may stay as it was
};

Treatment named(std::string name, Interventions change) { return {.name = std::move(name), .subsystem = "", .trigger = "", .cause = "", .change = std::move(change)}; }

std::optional<Treatment> recommended_guidance(Input in) {
  const double guidance = in.recommended("guidance");
  if (!(guidance > 0) || in.resolved("guidance") == guidance) return {};
  in.change.guidance = guidance;
  return named(fmt::format("guidance {:.3g}", guidance), in.change);
}

std::optional<Treatment> recommended_steps(Input in) {
  const int steps = static_cast<int>(in.recommended("steps"));
  if (steps <= in.resolved("steps")) return {};
  in.change.steps = steps;
  return named(fmt::format("{} steps", steps), in.change);
}

std::optional<Treatment> attention_unscaled(Input in) {
  if (in.change.attention.empty()) return {};
  in.change.attention.clear();
  Treatment t = named("attention unscaled", in.change);
  t.from_step = in.before();
  return t;
}

// Logits that spread too little or too much are brought back to the middle of the healthy band, from the first bad step on.
std::optional<Treatment> attention_rescaled(Input in) {
  constexpr double kMost = 20;   // beyond it there is no routing left that could be restored
  const Evidence* spread = in.evidence("attention.logit_std");
  if (!in.change.attention.empty() || !spread || !spread->low || !spread->high || !(spread->value > 0)) return {};
  const double factor = (*spread->low + *spread->high) / 2 / spread->value;
  if (!(factor > 1 / kMost && factor < kMost)) return {};
  in.change.attention.push_back({.steps = {in.finding.first_step, -1}, .factor = factor, .layers = "", .cross = true, .token = -1});
  Treatment t = named(fmt::format("cross-attention logits times {:.3g}", factor), in.change);
  t.from_step = in.before();
  return t;
}

std::optional<Treatment> channel_not_pushed(Input in) {
  if (in.change.latents.empty()) return {};
  in.change.latents.clear();
  Treatment t = named("latent channel not pushed", in.change);
  t.shifts_colour = true;
  t.from_step = in.before();
  return t;
}

// A channel that moved between two steps is moved back by as much, where it was.
std::optional<Treatment> channel_moved_back(Input in) {
  const Evidence* moved = in.evidence("snr.handoff");
  int channel = -1;
  if (!in.change.latents.empty() || !moved || std::sscanf(moved->note.c_str(), "channel %d", &channel) != 1) return {};
  in.change.latents.push_back({.steps = {in.finding.first_step, in.finding.last_step + 1}, .channel = channel, .amount = -moved->value});
  Treatment t = named(fmt::format("latent channel {} moved back", channel), in.change);
  t.shifts_colour = true;
  t.from_step = in.before();
  return t;
}

std::optional<Treatment> other_prediction(Input in) {
  const Evidence* rho = in.evidence("prediction.rho");
  if (!rho) return {};
  in.change.prediction = rho->note;
  return named("prediction type " + rho->note, in.change);
}

std::optional<Treatment> calibrated_latent_scale(Input in) {
  if (const Evidence* gain = in.evidence("decoder.latent_gain"); gain && gain->value > 0) {
    in.change.latent_scale = in.change.latent_scale.value_or(1.0) / gain->value;
    return named(fmt::format("latents times {:.4g} before decoding", 1 / gain->value), in.change);
  }
  const Evidence* factor = in.evidence("decoder.scaling_factor");
  if (!factor || !factor->low || !factor->high || !(*factor->low + *factor->high > 0)) return {};
  const double scale = factor->value * 2 / (*factor->low + *factor->high);
  in.change.latent_scale = in.change.latent_scale.value_or(1.0) * scale;
  return named(fmt::format("latents times {:.4g} before decoding", scale), in.change);
}

std::optional<Treatment> float32_decode(Input in) {
  in.change.decoder = DecoderChange{.kind = "float32", .path = ""};
  return named("float32 decode", in.change);
}

std::optional<Treatment> half_the_guidance(Input in) { return guidance_times(0.5, in.trace, in.change); }

std::optional<Treatment> more_steps(Input in) { return twice_the_steps(in.trace, in.change); }

std::optional<Treatment> recommended_solver(Input in) {
  const auto solver = in.trace.run().value("recommended", Json::object()).value("solver", std::string());
  if (solver.empty() || in.trace.run()["resolved"].value("solver", std::string()) == solver) return {};
  in.change.scheduler = solver;
  return named("scheduler " + solver, in.change);
}

std::optional<Treatment> tokens_unedited(Input in) {
  if (in.change.tokens.empty()) return {};
  in.change.tokens.clear();
  return named("tokens as they were written", in.change);
}

std::optional<Treatment> full_precision(Input in) {
  if (in.change.precision.empty()) return {};
  in.change.precision.clear();
  return named("full precision", in.change);
}

std::optional<Treatment> own_decoder(Input in) {
  if (!in.change.decoder && !in.change.latent_scale) return {};
  in.change.decoder.reset();
  in.change.latent_scale.reset();
  return named("the model's own decoder", in.change);
}

std::optional<Treatment> without_shortcuts(Input in) {
  in.change.exact = true;
  Treatment t = named("every step whole and guided", in.change);
  t.trigger = "shortcuts";
  return t;
}

struct Row {
  const char* cause;   // of the finding
  std::optional<Treatment> (*make)(Input);
};

constexpr Row kTable[] = {{"guidance-burn", recommended_guidance},      {"too-few-steps", recommended_steps},
                          {"attention-flat", attention_unscaled},       {"attention-sharp", attention_unscaled},
                          {"attention-flat", attention_rescaled},       {"attention-sharp", attention_rescaled},
                          {"channel-drift", channel_not_pushed},        {"channel-drift", channel_moved_back},
                          {"prediction-type", other_prediction},        {"latent-scale", calibrated_latent_scale},
                          {"decoder-mismatch", float32_decode},         {"non-finite", float32_decode},
                          {"shortcut", without_shortcuts}};

struct UsualRow {
  const char* subsystem;
  const char* cause;   // that a cure would show
  std::optional<Treatment> (*make)(Input);
};

constexpr UsualRow kUsual[] = {{"guidance", "guidance-burn", recommended_guidance}, {"guidance", "guidance-burn", half_the_guidance},
                               {"scheduler", "too-few-steps", recommended_steps},   {"scheduler", "solver-changed", recommended_solver},
                               {"scheduler", "too-few-steps", more_steps},          {"cross-attention", "attention-sharp", attention_unscaled},
                               {"prompt", "tokens-changed", tokens_unedited},       {"denoiser", "channel-drift", channel_not_pushed},
                               {"denoiser", "activation-band", full_precision},     {"decoder", "decoder-mismatch", own_decoder},
                               {"decoder", "decoder-mismatch", float32_decode}};

}  // namespace

std::optional<Treatment> guidance_times(double factor, const TraceReader& trace, const Interventions& own) {
  constexpr double kMost = 100;
  const double guidance = trace.run()["resolved"].value("guidance", 0.0) * factor;
  if (!(guidance > 1) || guidance > kMost) return {};
  Interventions change = own;
  change.guidance = guidance;
  return named(fmt::format("guidance {:.3g}", guidance), change);
}

std::optional<Treatment> twice_the_steps(const TraceReader& trace, const Interventions& own) {
  constexpr int kMost = 100;
  const int steps = 2 * static_cast<int>(trace.run()["resolved"].value("steps", 0.0));
  if (steps < 2 || steps > kMost) return {};
  Interventions change = own;
  change.steps = steps;
  return named(fmt::format("{} steps", steps), change);
}

std::vector<Treatment> usual_treatments(const std::string& subsystem, const TraceReader& trace, const Interventions& own) {
  std::vector<Treatment> out;
  Interventions base = own;
  base.restart.reset();
  const Finding none;
  for (const UsualRow& row : kUsual) {
    if (subsystem != row.subsystem) continue;
    auto t = row.make({none, trace, base});
    if (!t) continue;
    t->subsystem = t->trigger = subsystem;
    t->cause = row.cause;
    out.push_back(std::move(*t));
  }
  return out;
}

std::vector<Treatment> treatments_for(const Finding& finding, const TraceReader& trace, const Interventions& own) {
  std::vector<Treatment> out;
  Interventions base = own;
  base.restart.reset();
  for (const Row& row : kTable) {
    if (finding.cause != row.cause) continue;
    auto t = row.make({finding, trace, base});
    if (!t) continue;
    t->subsystem = finding.subsystem;
    if (t->trigger.empty()) t->trigger = finding.subsystem;
    t->cause = finding.cause;
    out.push_back(std::move(*t));
  }
  return out;
}

}  // namespace safelight
