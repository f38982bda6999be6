// What an autoencoder keeps of a picture, and what its latents cost.
#pragma once

#include <filesystem>

#include "apps/cli/context.h"
#include "apps/cli/lab/eval_board.h"

namespace safelight::app {

struct AutoencoderScores {
  int image_px = 0, latent_channels = 0, downscale = 0;
  double pixels_per_number = 0;        // colour values of a picture for each number of its latent
  std::uint64_t weight_bytes = 0;      // as loaded
  int scenes = 0, of_scenes = 0;       // looked at
  Mean psnr, difference;               // of decoded pictures against the scenes, dB and as gradient_difference() has it
  Mean aliasing, aliasing_of_truth;    // edge_jaggedness_px of the decoded pictures, and of the scenes themselves
  Rate read;                           // signs whose letters are read exactly
  Mean encode_ms, decode_ms;           // one picture at a time
  std::uint64_t peak_bytes = 0;        // the most memory that this process had resident
  Json json() const;
};

// Scenes of the model's world that training never showed, at the size of its pictures, half of them with signs, through the autoencoder in `model`/vae and
// back. Throws Error(not_found) without a vae. An interrupt ends it early with what was reached.
AutoencoderScores autoencoder_scores(const std::filesystem::path& model, int scenes, Context& context);

// Whether the directory holds an autoencoder and no denoiser.
bool is_autoencoder(const std::filesystem::path& model);

// `lab eval` of an autoencoder: prints the scores, or JSON; with `out` board.json and sheet.png, each scene beside its decoded picture.
int evaluate_autoencoder(const std::filesystem::path& model, int scenes, const std::filesystem::path& out, Context& context);

}  // namespace safelight::app
