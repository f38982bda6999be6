// The two stages of training an embedded model.
#pragma once

#include <memory>
#include <vector>

#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/denoisers/unet.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/training/captions.h"
#include "engine/training/training_loop.h"

namespace safelight {

// Scenes as pixels [N,3,H,W] float32 in [-1,1].
at::Tensor scene_pixels(const std::vector<Scene>& scenes, const SceneOptions& options);

class AutoencoderStage {
 public:
  AutoencoderStage(const Recipe& recipe, const TrainOptions& options);
  // Trains what is left; skipped when only the denoiser was asked for. Returns true when finished.
  bool run(std::chrono::steady_clock::time_point deadline);
  int64_t samples() const { return samples_; }
  // Mean of the encoder, times the scaling factor, without gradients. Uses the averaged weights.
  at::Tensor encode(const at::Tensor& pixels) const;
  double scaling_factor() const { return scaling_; }

 private:
  at::Tensor loss(int64_t step) const;
  void measure_and_export();
  const Recipe& recipe_;
  const TrainOptions& options_;
  SceneOptions scenes_;
  Parameters parameters_;
  std::unique_ptr<AutoencoderKl> model_;
  double scaling_ = 1.0;
  int64_t samples_ = 0;
};

class DenoiserStage {
 public:
  DenoiserStage(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder);
  bool run(std::chrono::steady_clock::time_point deadline);
  int64_t samples() const { return samples_; }

 private:
  void fill_pool();
  void refresh_pool(int64_t step);
  void encode_into_pool(int64_t first_scene, const std::vector<int64_t>& rows);
  at::Tensor loss(int64_t step);
  void export_weights(const AdamW& optimiser);

  const Recipe& recipe_;
  const TrainOptions& options_;
  const AutoencoderStage& autoencoder_;
  SceneOptions scenes_;
  std::unique_ptr<ClipTokenizer> tokenizer_;
  Parameters text_parameters_, unet_parameters_, joint_;
  std::unique_ptr<ClipTextEncoder> text_;
  std::unique_ptr<Unet> unet_;
  std::vector<Scene> pool_scenes_;
  at::Tensor pool_latents_, alphas_cumprod_;
  int64_t samples_ = 0;
};

}  // namespace safelight
