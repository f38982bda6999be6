// Training of an embedded model from a recipe: autoencoder, then text encoder and denoiser together.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "engine/training/recipe.h"

namespace safelight {

struct TrainProgress {
  std::string stage;             // "autoencoder" or "denoiser"
  int64_t samples = 0, total = 0;
  double samples_per_s = 0;
  double seconds_left = 0;
  double loss = 0;               // running mean
};

struct TrainOptions {
  std::filesystem::path out;             // checkpoints, log.jsonl and the finished model go here
  std::optional<double> minutes;         // stop cleanly after this time; training can be resumed
  std::filesystem::path from;            // start from this model's weights with fresh moments; empty: from the seed
  std::string stages = "all";            // all, autoencoder, denoiser
  double checkpoint_seconds = 120;
  std::string device = "cpu";            // or "cuda"
  std::function<void(const TrainProgress&)> progress;
  std::function<bool()> stop;            // asked once per step
};

struct TrainReport {
  bool finished = false;                 // false: stopped by time or request; call again to resume
  int64_t autoencoder_samples = 0, denoiser_samples = 0;
  std::filesystem::path model;           // directory of the exported model, present once the denoiser has begun
};

// Resumes from checkpoints in `out` when they belong to the same recipe; throws Error(conflict) when they do not.
// The weights depend on recipe, seed and number of samples only (for equal thread count and libtorch version).
TrainReport train(const Recipe& recipe, const TrainOptions& options);

}  // namespace safelight
