// How a fault gets into a model: decorators round its parts, which change what goes in or comes out and nothing else, so that
// the trace of a damaged model looks as that of a model that is really broken.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string_view>

#include "assay/fault.h"

namespace safelight {

// Functions that are empty change nothing. All must be pure: they run on several threads, and reruns must repeat them.
struct PromptFault {
  std::function<void(const Tokenizer&, TokenizedPrompt&)> tokens;
  std::function<void(EncodeOptions&)> options;
  std::function<void(EncodedPrompt&)> encoded;
};

struct DenoiserInputs {
  at::Tensor x, timesteps;   // [B,C,h,w], float [B]
  Conditioning conditioning;
};

struct DenoiserFault {
  double from_timestep = kEveryTimestep;   // evaluations at this timestep and below
  std::function<void(DenoiserInputs&)> inputs;
  std::function<void(AttentionCall&)> attention;
  std::function<at::Tensor(std::string_view module, at::Tensor x)> block;
  std::function<at::Tensor(const DenoiserInputs&, at::Tensor out)> output;
  std::function<CustomSteps(int steps)> steps;  // noise levels that the run visits instead of its scheduler's
};

struct DecoderFault {
  std::function<at::Tensor(at::Tensor latents)> latents;  // [N,C,h,w], denoiser's scale
  std::function<at::Tensor(at::Tensor pixels)> pixels;    // [N,3,H,W], nominally in [-1,1]
};

void damage_prompt(Injection& injection, PromptFault fault);
// Also notes in the truth from which timestep on the fault acts.
void damage_denoiser(Injection& injection, DenoiserFault fault);
void damage_decoder(Injection& injection, DecoderFault fault);
// `change` edits the configuration as the model's files have it.
void damage_scheduler(Injection& injection, std::function<void(Json& config)> change);

// Standard normal numbers, float32, deterministic in the seed.
at::Tensor fault_noise(at::IntArrayRef shape, std::uint64_t seed);
// A number of the text's own, the same everywhere (FNV-1a).
std::uint64_t number_of(std::string_view text);
// 0 .. n-1 in another order; about `share` of the places change.
std::vector<int64_t> shuffled(int64_t n, double share, SceneRandom& random);
// The timestep where a fault sets in: with the first step, or after a fifth, two or three fifths of the schedule.
double drawn_onset(const FaultSite& site);
int train_timesteps(const Components& components);
// One of the denoiser's blocks.
std::string drawn_block(const FaultSite& site);

}  // namespace safelight
