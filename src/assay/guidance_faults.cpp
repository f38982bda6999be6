// Faults of classifier-free guidance: how the estimates with and without the prompt become one.
#include <ATen/ATen.h>

#include "assay/decorators.h"

namespace safelight {
namespace {

const Truth kBurn = {.subsystem = "guidance", .also = {}, .trigger = "guidance", .causes = {"guidance-burn"}};
const Truth kGuidance = {.subsystem = "guidance", .also = {}, .trigger = "guidance"};

// Multiplies the difference that guidance works with, as if the scale itself were that much larger.
void multiply_delta(Injection& i, double factor, double from_timestep) {
  damage_denoiser(i, {.from_timestep = from_timestep, .output = [factor](const DenoiserInputs& in, at::Tensor out) {
    const int64_t n = in.conditioning.unconditional;
    if (n == 0) return out;
    const at::Tensor without = out.slice(0, 0, n);
    return at::cat({without, without + factor * (out.slice(0, n) - without)}, 0);
  }});
}

void multiplied(const FaultSite& s, Injection& i) { multiply_delta(i, s.dose, kEveryTimestep); }
void inverted(const FaultSite& s, Injection& i) { multiply_delta(i, -s.dose, kEveryTimestep); }

void burst(const FaultSite& s, Injection& i) {
  multiply_delta(i, s.dose, train_timesteps(s.healthy) * (0.8 - 0.2 * s.random.below(3)));
}

// Guidance that ends too early, as with an interval that was not meant.
void stops(const FaultSite& s, Injection& i) { multiply_delta(i, 1 / s.healthy.recommended.guidance, train_timesteps(s.healthy) * s.dose); }

void asked_scale(const FaultSite& s, Injection& i) {
  i.request.guidance = s.dose;
  i.truth.from_timestep = kEveryTimestep;
}

void without_noisy(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.output = [dose = s.dose, seed = s.seed](const DenoiserInputs& in, at::Tensor out) {
    const int64_t n = in.conditioning.unconditional;
    if (n == 0) return out;
    const at::Tensor without = out.slice(0, 0, n);
    return at::cat({without + dose * without.std() * fault_noise(without.sizes(), seed), out.slice(0, n)}, 0);
  }});
}

void halves_swapped(const FaultSite&, Injection& i) {
  damage_denoiser(i, {.output = [](const DenoiserInputs& in, at::Tensor out) {
    const int64_t n = in.conditioning.unconditional;
    return n > 0 ? at::cat({out.slice(0, n), out.slice(0, 0, n)}, 0) : out;
  }});
}

void condition_lost(const FaultSite& s, Injection& i) {
  const double from = train_timesteps(s.healthy) * s.dose;
  damage_denoiser(i, {.from_timestep = from, .inputs = [](DenoiserInputs& in) {
    const int64_t n = in.conditioning.unconditional;
    if (n == 0) return;
    const at::Tensor without = in.conditioning.text.slice(0, 0, n);
    in.conditioning.text = at::cat({without, without}, 0);
  }});
}

}  // namespace

std::vector<FaultEntry> guidance_faults() {
  return {
      {"guidance-too-high", "a guidance scale far above the recommended one is asked for", kBurn, {10, 15, 30}, "scale", false, asked_scale},
      {"guidance-too-low", "a guidance scale far below the recommended one is asked for", kGuidance, {1.5, 1.2, 1}, "scale", false, asked_scale},
      {"guidance-multiplied", "the scale is applied more than once", kBurn, {2, 4, 8}, "factor", false, multiplied},
      {"guidance-inverted", "guidance leads away from the prompt", kGuidance, {0.3, 0.6, 1}, "factor", false, inverted},
      {"guidance-burst", "the scale is right at first and multiplied later", kBurn, {3, 6, 12}, "factor", false, burst},
      {"guidance-stops", "from some step on the estimate with the prompt is taken as it is", kGuidance, {0.4, 0.6, 0.8}, "of the schedule is left", true, stops},
      {"guidance-without-noisy", "noise on the estimate without the prompt alone",
       {.subsystem = "guidance", .also = {"denoiser"}, .trigger = "guidance"}, {0.1, 0.2, 0.4}, "standard deviations", true, without_noisy},
      {"guidance-halves-swapped", "the estimates for prompt and negative prompt are exchanged", kGuidance, {1}, "on", false, halves_swapped},
      {"guidance-condition-lost", "from some step on both estimates are made for the negative prompt", kGuidance, {0.6, 0.8, 1}, "of the schedule is left", false, condition_lost},
  };
}

}  // namespace safelight
