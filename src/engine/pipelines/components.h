// The parts of a pipeline, as interfaces: an intervention or a fault is a decorator round one of them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "engine/schedulers/schedule.h"
#include "engine/tensor/hooks.h"
#include "engine/text/tokenizer.h"

namespace safelight {

// What a person wrote for each text encoder; empty ones take the first.
struct PromptTexts {
  std::string text, text_2, text_3;
  bool in_chunks = false;   // CLIP's encoders take more tokens than they were made for, in chunks side by side
  int chunks = 1;           // at least as many, so that prompt and negative prompt fit together
};

struct EncodedPrompt {
  at::Tensor text;    // [1,T,width]
  at::Tensor pooled;  // [1,width], or undefined for models without one
};

struct EncodeOptions {
  int clip_skip = 0;      // layers that are left out at the end of CLIP's tower
  bool negative = false;  // what guidance leads away from: no layer is skipped, and nothing may become zeros
};

// Text -> conditioning: one or more tokenizers and text encoders, joined as the family joins them. Thread-safe.
class PromptEncoder {
 public:
  virtual ~PromptEncoder() = default;
  // One account per text encoder, in the family's order. The first one's positions are those of EncodedPrompt::text. `max_tokens`
  // limits encoders without a length of their own; 0: the family's usual length.
  virtual std::vector<TokenizedPrompt> tokenise(const PromptTexts& texts, int max_tokens) const = 0;
  virtual EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& options) const = 0;
  virtual const Tokenizer& tokenizer() const = 0;  // of the first account
};

// A prompt encoder that does something round another one's tokenise() or encode(), and is like it in the rest.
class PromptEncoderDecorator : public PromptEncoder {
 public:
  explicit PromptEncoderDecorator(std::shared_ptr<const PromptEncoder> inner) : inner_(std::move(inner)) {}
  std::vector<TokenizedPrompt> tokenise(const PromptTexts& texts, int max_tokens) const override { return inner_->tokenise(texts, max_tokens); }
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& options) const override { return inner_->encode(tokens, options); }
  const Tokenizer& tokenizer() const override { return inner_->tokenizer(); }

 protected:
  const PromptEncoder& inner() const { return *inner_; }

 private:
  std::shared_ptr<const PromptEncoder> inner_;
};

// Where a picture is thought to be cut from, as models with micro-conditioning are told; pixels.
struct MicroConditioning {
  int64_t original_height = 0, original_width = 0, crop_top = 0, crop_left = 0, target_height = 0, target_width = 0;
  double aesthetic_score = 6.0;
};

// Rows of every tensor: as many as x has.
struct Conditioning {
  at::Tensor text;                        // [B,T,width]
  at::Tensor pooled;                      // [B,width], or undefined
  at::Tensor guidance;                    // [B], for models that take the guidance scale as an input; else undefined
  std::vector<MicroConditioning> sizes;   // one per row, or empty
  at::Tensor beside;                      // [B,C',h,w] channels that stand beside the latents; or undefined
  at::Tensor noise_level;                 // int64 [B] of the picture beside the latents; or undefined
  std::vector<at::Tensor> residuals;      // of a ControlNet; or empty
  int64_t unconditional = 0;              // leading rows that belong to the negative prompt
};

// What a model does with the guidance scale.
enum class GuidanceKind { classifier_free, embedded, none };

// What stands beside the latents in a denoiser's input.
enum class Beside { nothing, mask_and_masked_image, low_resolution_image };

// The shortcuts (common/api/generate_request.h) that a network can take.
struct ShortcutSupport {
  bool deep_features = false;   // cache_interval: a network with skip connections
  bool first_block = false;     // cache_threshold: a stack of like blocks
  bool merging = false;         // merge_tokens
};

class Denoiser {
 public:
  virtual ~Denoiser() = default;
  // x: [B,C,h,w] scaled for its timestep; timesteps: float [B]. Returns the raw output [B,C,h,w].
  virtual at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& conditioning,
                             const ForwardHooks& hooks) const = 0;
  virtual int64_t latent_channels() const = 0;
  virtual int64_t patch() const { return 1; }        // latent sides must be multiples of it
  virtual GuidanceKind guidance() const { return GuidanceKind::classifier_free; }
  virtual Beside beside() const { return Beside::nothing; }
  // Noise levels that the family chooses itself instead of its scheduler's spacing.
  virtual CustomSteps own_steps(int /*steps*/, int64_t /*height*/, int64_t /*width*/) const { return {}; }
  virtual std::vector<std::string> block_names() const = 0;  // in forward order, as hooks report them
  // Latent cells per side of a cell of the finest feature map that attends to the text.
  virtual int64_t attention_stride() const { return 1; }
  virtual ShortcutSupport shortcuts() const { return {}; }
};

// A denoiser that does something round another one's predict(), and is like it in the rest.
class DenoiserDecorator : public Denoiser {
 public:
  explicit DenoiserDecorator(std::shared_ptr<const Denoiser> inner) : inner_(std::move(inner)) {}
  int64_t latent_channels() const override { return inner_->latent_channels(); }
  int64_t patch() const override { return inner_->patch(); }
  GuidanceKind guidance() const override { return inner_->guidance(); }
  Beside beside() const override { return inner_->beside(); }
  CustomSteps own_steps(int steps, int64_t height, int64_t width) const override { return inner_->own_steps(steps, height, width); }
  std::vector<std::string> block_names() const override { return inner_->block_names(); }
  int64_t attention_stride() const override { return inner_->attention_stride(); }
  ShortcutSupport shortcuts() const override { return inner_->shortcuts(); }

 protected:
  const Denoiser& inner() const { return *inner_; }

 private:
  std::shared_ptr<const Denoiser> inner_;
};

class Autoencoder {
 public:
  virtual ~Autoencoder() = default;
  // Latents in the denoiser's scale [N,C,h,w] -> pixels [N,3,H,W], nominally in [-1,1], unclamped float32.
  virtual at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const = 0;
  // Pixels in [-1,1] -> latents in the denoiser's scale: a sample of the encoder's Gaussian, or its mean without `eps`.
  virtual at::Tensor encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const = 0;
  virtual int64_t downscale() const = 0;
  virtual int64_t latent_channels() const = 0;
  virtual double scaling_factor() const = 0;
};

// An autoencoder that does something round another one's decode() or encode(), and is like it in the rest.
class AutoencoderDecorator : public Autoencoder {
 public:
  explicit AutoencoderDecorator(std::shared_ptr<const Autoencoder> inner) : inner_(std::move(inner)) {}
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override { return inner_->decode(latents, hooks); }
  at::Tensor encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const override { return inner_->encode(pixels, eps, hooks); }
  int64_t downscale() const override { return inner_->downscale(); }
  int64_t latent_channels() const override { return inner_->latent_channels(); }
  double scaling_factor() const override { return inner_->scaling_factor(); }

 protected:
  const Autoencoder& inner() const { return *inner_; }

 private:
  std::shared_ptr<const Autoencoder> inner_;
};

struct Recommended {
  int steps = 30;
  double guidance = 7.5;
  std::string solver;   // empty: the one in the model's scheduler config
};

struct WeightFile {
  std::string component;
  std::filesystem::path file;
};

// Immutable once open; shared between threads.
struct Components {
  std::string name;                   // "signs-nano", or the directory's name
  std::filesystem::path directory;
  std::string family;                 // from the table of families
  std::shared_ptr<const PromptEncoder> prompt;
  std::shared_ptr<const Denoiser> denoiser;
  std::shared_ptr<const Autoencoder> autoencoder;
  Json scheduler_config;              // as the model's files have it
  std::string scheduler_where;        // for errors
  Recommended recommended;
  int default_side_px = 512;
  int max_text_tokens = 77;           // of the first text encoder
  double negative_aesthetic_score = 2.5;
  Json low_resolution_scheduler;      // noises the small picture of the x4 upscaler; null for others
  std::vector<WeightFile> weights;
  std::uint64_t weight_bytes = 0;     // as loaded
  std::string dtype = "float32";
  // Rows: one per latent channel and one constant; columns r, g, b in [-1,1]. From the model's baseline, else measured
  // by decoding constant latents. The independent cheap decode.
  std::vector<std::array<double, 3>> latent_to_rgb;
};

}  // namespace safelight
