// A change to a run, as plain data: stored with the run, replayable, and the only way to alter one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/problem.h"

namespace safelight {

// Steps are counted from 0. A range is [from, to); to = -1 means to the end.
struct StepRange {
  int from = 0;
  int to = -1;
  bool contains(int step) const { return step >= from && (to < 0 || step < to); }
};

struct AttentionScale {   // logits *= factor
  StepRange steps;
  double factor = 1.0;
  std::string layers;     // substring of the module path; empty: every layer
  bool cross = true;      // cross-attention, or self-attention
  int token = -1;         // one text token only; -1: all
};

struct LatentPush {       // latent[channel] += amount, before the solver's step, at every step of the range
  StepRange steps;
  int channel = 0;
  double amount = 0.0;    // in units of the latent
};

struct TokenEdit {
  int index = 0;          // position in the token list
  std::string action = "drop";  // drop (becomes padding), replace, reweight
  std::string replacement;      // for replace: one token's text
  double weight = 1.0;          // for reweight: the embedding's offset from the empty prompt is multiplied
};

struct PrecisionChange {  // module outputs are rounded to a narrower type
  std::string module;     // substring of the module path; empty: all
  std::string dtype = "float16";  // float16 or bfloat16
};

struct DecoderChange {
  std::string kind = "float32";   // float32, linear (the cheap independent decode), other (a directory with an autoencoder)
  std::string path;               // for other
};

// A change without a theory behind it, to compare cures with: the initial noise is rotated towards fresh noise,
// z' = sqrt(1 - size^2) z + size n(seed).
struct Sham {
  double size = 0.0;      // 0..1
  std::uint64_t seed = 0;
};

struct RestartPoint {
  std::string run;        // directory of the run that holds the restart point
  int step = 0;           // continue as if this many steps were done
};

struct Interventions {
  std::optional<RestartPoint> restart;
  std::optional<std::string> scheduler;       // another solver
  std::optional<std::string> spacing;
  std::optional<std::string> prediction;      // treat the model's output as this type
  std::optional<int> steps;
  std::optional<double> guidance;
  std::optional<StepRange> guidance_steps;    // guidance only within these steps, 1 outside
  std::optional<double> latent_scale;         // multiply the scaling factor before decoding
  std::optional<std::uint64_t> seed;
  std::vector<AttentionScale> attention;
  std::vector<LatentPush> latents;
  std::vector<TokenEdit> tokens;
  std::vector<PrecisionChange> precision;
  std::optional<DecoderChange> decoder;
  std::optional<Sham> sham;
  std::vector<std::string> bypass;            // post-processors to leave out, by name
  bool exact = false;                         // without the request's shortcuts, its guidance interval among them

  bool empty() const;
};

std::vector<Problem> check(const Interventions& interventions);

}  // namespace safelight
