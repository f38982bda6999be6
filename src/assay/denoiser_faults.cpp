// Faults of the denoiser's arithmetic, while it runs.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "assay/decorators.h"

namespace safelight {
namespace {

const Truth kDenoiser = {.subsystem = "denoiser", .also = {}, .trigger = "denoiser", .causes = {"activation-band"}};
const Truth kNonFinite = {.subsystem = "denoiser", .also = {}, .trigger = "denoiser", .causes = {"non-finite"}};

// One drawn block from a drawn step on.
template <class Change>
void in_one_block(const FaultSite& s, Injection& i, Change change) {
  i.truth.module = drawn_block(s);
  damage_denoiser(i, {.from_timestep = drawn_onset(s), .block = [module = i.truth.module, change](std::string_view where, at::Tensor x) {
    return where == module ? change(std::move(x)) : x;
  }});
}

void block_noise(const FaultSite& s, Injection& i) {
  in_one_block(s, i, [dose = s.dose, seed = s.seed](at::Tensor x) {
    return x + dose * x.std() * fault_noise(x.sizes().slice(1), seed).to(x.scalar_type()).unsqueeze(0);
  });
}

void block_scaled(const FaultSite& s, Injection& i) {
  in_one_block(s, i, [dose = s.dose](at::Tensor x) { return x * dose; });
}

void block_lost(const FaultSite& s, Injection& i) {
  in_one_block(s, i, [](at::Tensor x) { return at::zeros_like(x); });
}

void dropout(const FaultSite& s, Injection& i) {
  in_one_block(s, i, [share = s.dose, seed = s.seed](at::Tensor x) {
    const at::Tensor noise = fault_noise(x.sizes().slice(1), seed).to(x.scalar_type()).unsqueeze(0);
    const double threshold = std::sqrt(2.0) * at::erfinv(at::scalar_tensor(2 * share - 1)).item<double>();   // the share of normal numbers below it
    return at::where(noise < threshold, at::zeros_like(x), x);
  });
}

void output_noisy(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.from_timestep = drawn_onset(s), .output = [dose = s.dose, seed = s.seed](const DenoiserInputs&, at::Tensor out) {
    return out + dose * out.std() * fault_noise(out.sizes().slice(1), seed).unsqueeze(0);
  }});
}

void non_finite(const FaultSite& s, Injection& i) {
  in_one_block(s, i, [](at::Tensor x) {
    x = x.clone();
    x.select(1, 0).fill_(std::numeric_limits<float>::quiet_NaN());
    return x;
  });
}

// What half precision does beyond its largest number, with that number brought down to where this model's values lie.
void overflow(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.block = [limit = s.dose](std::string_view, at::Tensor x) {
    const at::Tensor top = limit * x.to(at::kFloat).pow(2).mean().sqrt();
    return at::where(x.abs() > top, at::full_like(x, std::numeric_limits<float>::infinity()).copysign(x), x);
  }});
  i.truth.from_timestep = -1;  // depends on the values, not on the step
}

// Rounds to as many bits behind the leading one, as a too narrow number format does.
void coarse(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.block = [grain = std::exp2(s.dose)](std::string_view, at::Tensor x) {
    const at::Tensor unit = at::exp2(at::floor(at::log2(x.abs() + 1e-30))) / grain;
    return at::round(x / unit) * unit;
  }});
}

void channel_drift(const FaultSite& s, Injection& i) {
  const int64_t channel = s.random.below(static_cast<int>(s.healthy.denoiser->latent_channels()));
  i.truth.module = "latent channel " + std::to_string(channel);
  damage_denoiser(i, {.from_timestep = drawn_onset(s), .output = [channel, dose = s.dose](const DenoiserInputs&, at::Tensor out) {
    out = out.clone();
    out.select(1, channel).add_(dose);
    return out;
  }});
}

void output_scaled(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.from_timestep = drawn_onset(s), .output = [dose = s.dose](const DenoiserInputs&, at::Tensor out) { return out * dose; }});
}

void self_attention_flat(const FaultSite& s, Injection& i) {
  damage_denoiser(i, {.from_timestep = drawn_onset(s), .attention = [dose = s.dose](AttentionCall& call) {
    if (!call.cross) call.scale *= dose;
  }});
}

}  // namespace

std::vector<FaultEntry> denoiser_faults() {
  return {
      {"block-noise", "noise on one block's output", kDenoiser, {1, 2, 4}, "standard deviations", false, block_noise},
      {"block-scaled", "one block's output is too large", kDenoiser, {2, 4, 8}, "factor", false, block_scaled},
      {"denoiser-non-finite", "a channel of one block's output is NaN", kNonFinite, {1}, "on", false, non_finite},
      {"denoiser-overflow", "values beyond a limit become infinite, as in half precision", kNonFinite, {8, 5, 3}, "times the block's root mean square", false, overflow},
      {"block-lost", "one block's output is zero", kDenoiser, {1}, "on", true, block_lost},
      {"block-dropout", "values of one block's output are zero", kDenoiser, {0.1, 0.3, 0.6}, "share", true, dropout},
      {"output-noisy", "noise on the estimate",
       {.subsystem = "denoiser", .also = {}, .trigger = "denoiser"}, {0.1, 0.25, 0.5}, "standard deviations", true, output_noisy},
      {"denoiser-coarse", "activations keep few bits", kDenoiser, {3, 2, 1}, "bits", false, coarse},
      {"channel-drift", "one latent channel is pushed at every step",
       {.subsystem = "denoiser", .also = {}, .trigger = "denoiser", .causes = {"channel-drift"}}, {0.1, 0.25, 0.5}, "standard deviations of the noise", false, channel_drift},
      {"denoiser-output-scaled", "the estimate of the noise is too small", kDenoiser, {0.95, 0.85, 0.7}, "factor", false, output_scaled},
      {"self-attention-flattened", "places of the picture no longer tell each other apart", kDenoiser, {0.5, 0.2, 0}, "factor", false, self_attention_flat},
  };
}

}  // namespace safelight
