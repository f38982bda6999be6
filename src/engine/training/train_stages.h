// The stages of training an embedded model.
#pragma once

#include <memory>
#include <vector>

#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/denoisers/unet.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/training/frozen_parts.h"
#include "engine/training/rolling_rows.h"
#include "engine/training/scene_batch.h"
#include "engine/training/scene_pairs.h"
#include "engine/training/training_loop.h"
#include "engine/training/trajectory_pool.h"
#include "engine/upscalers/latent_transformer.h"

namespace safelight {

using Deadline = std::chrono::steady_clock::time_point;

// Standard normal, float32, drawn on the CPU; depends on its arguments only.
at::Tensor seeded_noise(at::IntArrayRef shape, uint64_t seed);

class AutoencoderStage {
 public:
  AutoencoderStage(const Recipe& recipe, const TrainOptions& options);
  // Trains what is left where `trains`; else takes the weights as given. Returns true when finished.
  bool run(Deadline deadline, bool trains);
  int64_t samples() const { return samples_; }
  // Makes the exported weights a model of their own: an autoencoder without a denoiser.
  void export_alone() const;
  // Mean of the encoder, times the scaling factor, without gradients. Uses the averaged weights. [N,3,H,W] -> [N,C,h,w]
  at::Tensor encode(const at::Tensor& pixels) const;

 private:
  at::Tensor loss(int64_t step) const;
  at::Tensor batch(int64_t step) const;
  void measure_scaling();
  void export_weights() const;
  const Recipe& recipe_;
  const TrainOptions& options_;
  Parameters parameters_;
  std::unique_ptr<AutoencoderKl> model_;
  double scaling_ = 1.0;
  int64_t samples_ = 0;
};

// Tokenizer and text encoder as the recipe describes them, float32, initialised from the seed or from options.from. Recipe and
// options must outlive it.
struct TextModel {
  TextModel(const Recipe& recipe, const TrainOptions& options);
  void export_to(const std::filesystem::path& model, const std::vector<at::Tensor>& values) const;
  const Recipe& recipe;
  const TrainOptions& options;
  Json config;                         // of text_encoder/config.json, with the tokenizer's ids
  std::unique_ptr<ClipTokenizer> tokenizer;
  Parameters parameters;
  std::unique_ptr<ClipTextEncoder> encoder;
};

// Teaches the text encoder to say of a caption what it means: at each noun its shape, colour, size and place; at the end
// token every object, the background, and where the recipe asks for it the letters of a sign. The classifiers are thrown away.
class TextStage {
 public:
  explicit TextStage(TextModel& text);
  bool run(Deadline deadline);
  int64_t samples() const { return samples_; }

 private:
  at::Tensor loss(int64_t step) const;
  const Recipe& recipe_;
  const TrainOptions& options_;
  TextModel& text_;
  Parameters head_parameters_, joint_;
  std::unique_ptr<Linear> noun_, end_;
  int64_t samples_ = 0;
};

struct ScenePoolStart {
  uint64_t seed = 1;
  int64_t step = 0;    // the pool is as it was before this step
  int64_t batch = 8;
};

// Encoded scenes with their masks, as many as fit the memory that the recipe allows. An eighth of every batch is new:
// over a long run the model sees far more scenes than are held.
class ScenePool {
 public:
  ScenePool(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder, const ScenePoolStart& start);
  void refresh(int64_t step);
  int64_t size() const { return recipe_.pool; }
  const Scene& scene(int64_t row) const { return scenes_[static_cast<std::size_t>(row)]; }
  at::Tensor latents(const at::Tensor& rows) const;   // rows int64 [B] -> [B,C,h,w] float32
  at::Tensor masks(const at::Tensor& rows) const;     // [B,kMaskRows,kMaskSide,kMaskSide] float32 in [0,1]

 private:
  void encode(const std::vector<int64_t>& scenes, const std::vector<int64_t>& rows);
  const Recipe& recipe_;
  const TrainOptions& options_;
  const AutoencoderStage& autoencoder_;
  uint64_t seed_;
  RollingRows rolling_;
  std::vector<Scene> scenes_;
  at::Tensor latents_, masks_;
};

// A denoiser with its text encoders, each of which encodes an equal part of every batch. The first is the recipe's own; the
// others are exported as models that share denoiser and autoencoder with the recipe's.
class DenoiserStage {
 public:
  // Throws Error(conflict) where a text encoder's recipe has another denoiser or text length.
  DenoiserStage(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder, std::vector<TextModel*> texts);
  bool run(Deadline deadline);
  int64_t samples() const { return samples_; }

 private:
  struct EncodedCaptions {
    at::Tensor text, placed, rows;   // as UnetInputs::text and CaptionBatch, of the whole batch
  };
  EncodedCaptions encode(const std::vector<const Scene*>& scenes, const std::vector<bool>& without_text, int64_t step) const;
  at::Tensor loss(int64_t step);
  void export_weights(const AdamW& optimiser) const;

  const Recipe& recipe_;
  const TrainOptions& options_;
  const AutoencoderStage& autoencoder_;
  std::vector<TextModel*> texts_;
  Parameters unet_parameters_, joint_;
  std::unique_ptr<Unet> unet_;
  std::unique_ptr<ScenePool> pool_;
  at::Tensor alphas_cumprod_;
  bool predicts_v_;
  int64_t samples_ = 0;
};

// A student of few steps without guidance, from the model in options.from: it learns to go in one step where the guided
// teacher goes in many (progressive distillation, Salimans and Ho, arXiv:2202.00512). Only the weights of linear and
// convolution layers of the UNet are trained, and what is exported is an adapter of low rank beside links to the teacher.
class DistillationStage {
 public:
  // Throws Error(conflict) when the teacher is not the one of the recipe, and what Teacher and DistillationGrid throw.
  DistillationStage(const Recipe& recipe, const TrainOptions& options);
  bool run(Deadline deadline);
  int64_t samples() const { return samples_; }

 private:
  at::Tensor loss(int64_t step);
  void cut_to_rank(AdamW& optimiser) const;
  void export_student(const AdamW& optimiser) const;

  const Recipe& recipe_;
  const TrainOptions& options_;
  Teacher teacher_;
  DistillationGrid grid_;
  Parameters student_parameters_;
  std::unique_ptr<Unet> student_;
  std::vector<at::Tensor> base_;   // the teacher's weights, float32, in the order of student_parameters_
  std::unique_ptr<TrajectoryPool> pool_;
  at::Tensor weights_;             // of the student's nodes in the loss
  int64_t samples_ = 0;
};

// A transformer that enlarges latents of the model in options.from, whose autoencoder makes the latents of every scene at
// image_px and at twice that.
class LatentUpscalerStage {
 public:
  // Throws Error(conflict) where the recipe's network does not take that autoencoder's latents.
  LatentUpscalerStage(const Recipe& recipe, const TrainOptions& options);
  bool run(Deadline deadline);
  int64_t samples() const { return samples_; }

 private:
  ScenePairRows encoded(const std::vector<Scene>& scenes) const;
  at::Tensor loss(int64_t step);
  void export_weights(const AdamW& optimiser) const;

  const Recipe& recipe_;
  const TrainOptions& options_;
  FrozenAutoencoder autoencoder_;
  Parameters parameters_;
  std::unique_ptr<LatentTransformer> model_;
  std::unique_ptr<ScenePairs> pairs_;
  int64_t samples_ = 0;
};

struct NoiseLevels {
  at::Tensor alphas_cumprod;   // float32, one a level, from little noise to much
  bool predicts_v = false;     // else the noise
};

// A denoiser that sees a small picture beside the latents of the large one, and is told how noisy the small one was made (cascaded
// diffusion, Ho et al., arXiv:2106.15282), in the layout of Stable Diffusion's x4 upscaler. Autoencoder and text encoder are those
// of the model in options.from.
class CascadeStage {
 public:
  // Throws Error(conflict) where the recipe's parts do not fit each other or that model.
  CascadeStage(const Recipe& recipe, const TrainOptions& options);
  bool run(Deadline deadline);
  int64_t samples() const { return samples_; }

 private:
  ScenePairRows rendered(const std::vector<Scene>& scenes) const;
  at::Tensor loss(int64_t step);
  void export_weights(const AdamW& optimiser) const;

  const Recipe& recipe_;
  const TrainOptions& options_;
  FrozenAutoencoder autoencoder_;
  FrozenText text_;
  NoiseLevels noise_, low_noise_;
  Parameters parameters_;
  std::unique_ptr<Unet> unet_;
  std::unique_ptr<ScenePairs> pairs_;
  int64_t samples_ = 0;
};

// Cumulative products of 1 - beta over the training steps, float32 (Ho et al., arXiv:2006.11239).
at::Tensor training_alphas_cumprod(const Json& scheduler);

}  // namespace safelight
