// A training recipe: everything that, with a seed, decides the weights. Read from a TOML file in recipes/.
#pragma once

#include <filesystem>
#include <string>

#include "common/base/json.h"
#include "engine/training/scenes/scene.h"

namespace safelight {

struct StageRecipe {
  int64_t samples = 0;          // samples seen in all; 0: the recipe has no such stage
  int64_t batch = 32;
  double learning_rate = 1e-3;  // after the warm-up, until the cool-down
  int64_t warmup_steps = 200;
  double cooldown = 0.2;        // last part of the samples, over which the rate falls to a hundredth
  double ema_decay = 0.999;
  bool bfloat16 = false;        // "precision": compute in bfloat16, update in float32
};

// How a tokenizer treats what stands in quotes: not at all, as words with tokens of their own, or letter by letter.
enum class QuotedText { none, merged, spelled };

struct Recipe {
  std::string name;
  std::string summary;          // one sentence for the model card
  uint64_t seed = 1;
  int64_t image_px = 64;
  int64_t text_length = 24;     // positions of the text encoder, begin and end token included
  SceneOptions scenes;          // the world; image_px is set from above
  QuotedText quoted = QuotedText::none;
  Json text_encoder, unet, vae, scheduler;  // the components' config.json, verbatim
  Json latent_transformer, low_res_scheduler;  // of the upscalers, likewise; null for other recipes
  Json recommended;             // steps, guidance, scheduler that `generate` uses by default
  StageRecipe autoencoder, text, denoiser, distillation, latent_upscaler, cascade;
  int64_t crop_px = 0;          // autoencoder: three quarters of its steps see crops of this size; 0: whole pictures only
  double kl_weight = 1e-5;
  bool spelling = false;        // text encoder: also has to tell the letters of a sign
  double text_drop = 0.1;       // share of samples that see the empty prompt
  // Loss weight of the denoised estimate: the signal-to-noise ratio, held between these two. The upper limit is that of Hang et al.
  // (arXiv:2303.09556), the lower one that of Salimans and Ho (arXiv:2202.00512): without it, layout, which is decided in noise,
  // counts for next to nothing.
  double min_snr_gamma = 5.0, min_snr_floor = 0;
  double attention_weight = 0;  // of the loss that holds each noun's attention to its mask (arXiv:2312.04884); 0: none
  int64_t pool = 32768;         // encoded scenes kept in memory; an eighth of each batch replaces old ones
  int64_t student_steps = 4;    // distillation: steps of the student
  int64_t teacher_steps = 24;   // of the guided teacher, a multiple of student_steps
  int64_t adapter_rank = 16;    // of the student's change of every weight of the teacher
  double pixel_weight = 0;      // latent upscaler: of the loss on decoded crops; 0: none
  int64_t low_px = 32;          // cascade: side of the small picture
  std::string text_of_file;     // the file as read (merged where it extends another), stored with the weights

  // A recipe may extend another: `extends = "other.toml"` beside it; its own keys win, table by table.
  // Throws Error(invalid_argument) naming the key; unknown keys are rejected.
  static Recipe read(const std::filesystem::path& file);
};

// The world as it is written into safelight.json, and back. Throws Error(corrupt_file) naming the key.
Json to_json(const SceneOptions& scenes);
SceneOptions scene_options_from_json(const Json& json);
// The world that a model was trained on, by its safelight.json; the smallest one where that tells none.
SceneOptions world_of(const std::filesystem::path& model);

}  // namespace safelight
