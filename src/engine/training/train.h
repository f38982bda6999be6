// Training of an embedded model from a recipe: autoencoder, text encoder, denoiser (with the text encoder); or, on top of a finished
// model, distillation, a latent upscaler, a cascaded one.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/training/recipe.h"

namespace safelight {

struct TrainProgress {
  std::string stage;             // "autoencoder", "text", "denoiser", "distillation", "latent_upscaler" or "cascade"
  int64_t samples = 0, total = 0;
  double samples_per_s = 0;
  double seconds_left = 0;
  double loss = 0;               // running mean
};

// A text encoder that learns beside the recipe's own, under the same denoiser and on a part of the same batches: what comes out
// differs from the recipe's model in nothing but the text encoder.
struct SharingText {
  Recipe recipe;                         // its name, tokenizer and [text_encoder] count; its [unet] must be the denoiser's
  std::filesystem::path from;            // start from this model's text encoder; empty: from its own text stage
};

struct TrainOptions {
  std::filesystem::path out;             // checkpoints, log.jsonl and the finished model go here
  std::optional<double> minutes;         // stop cleanly after this time; training can be resumed
  std::filesystem::path from;            // start from this model's weights with fresh moments; empty: from the seed. What stages on top of a model learn from
  std::vector<SharingText> sharing;      // with the stage denoiser; each is exported to out/NAME/model
  std::string stages = "all";            // or some of the stages' names, separated by commas
  double checkpoint_seconds = 120;
  double evaluate_seconds = 600;         // how often `evaluate` is called
  std::string device = "cpu";            // or "cuda"
  std::string revision;                  // of the code, for the record
  std::function<void(const TrainProgress&)> progress;
  std::function<bool()> stop;            // asked once per step
  // Looks at the exported model, writes its sample sheet, and returns what goes into the log; may be null. What it
  // finds is never used in training.
  std::function<Json(const std::filesystem::path& model, const std::string& stage, int64_t samples)> evaluate;
};

struct TrainReport {
  bool finished = false;                 // false: stopped by time or request; call again to resume
  std::map<std::string, int64_t> samples;  // per stage
  std::filesystem::path model;           // directory of the exported model, present once the denoiser has begun
};

// Resumes from checkpoints in `out` when they belong to the same recipe; throws Error(conflict) when they do not. A stage
// that is left out is taken as it is in `from`. The weights depend on recipe, seed and number of samples only (for equal
// thread count and libtorch version).
TrainReport train(const Recipe& recipe, const TrainOptions& options);

}  // namespace safelight
