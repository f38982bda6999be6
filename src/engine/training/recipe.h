// A training recipe: everything that, with a seed, decides the weights. Read from a TOML file in recipes/.
#pragma once

#include <filesystem>
#include <string>

#include "common/base/json.h"

namespace safelight {

struct StageRecipe {
  int64_t samples = 0;          // samples seen in all
  int64_t batch = 32;
  double learning_rate = 1e-3;  // peak; cosine to a tenth of it
  int64_t warmup_steps = 200;
  double ema_decay = 0.999;
};

struct Recipe {
  std::string name;
  uint64_t seed = 1;
  int64_t image_px = 64;
  int64_t max_objects = 2;
  int64_t text_length = 24;     // positions of the text encoder, begin and end token included
  Json text_encoder, unet, vae, scheduler;  // the components' config.json, verbatim
  Json recommended;             // steps, guidance, scheduler that `generate` uses by default
  StageRecipe autoencoder, denoiser;
  double kl_weight = 1e-5;
  double text_drop = 0.1;       // share of samples that see the empty prompt
  double min_snr_gamma = 5.0;   // loss weight min(snr, gamma) / snr (Hang et al., arXiv:2303.09556)
  int64_t pool = 32768;         // encoded scenes kept in memory; an eighth of each batch replaces old ones
  std::string text;             // the file as read, stored with the weights

  // Throws Error(invalid_argument) naming the key; unknown keys are rejected.
  static Recipe read(const std::filesystem::path& file);
};

}  // namespace safelight
