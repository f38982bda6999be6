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

class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  // ids: int64 [B,T] -> [B,T,width].
  virtual at::Tensor encode(const at::Tensor& ids, const ForwardHooks& hooks) const = 0;
};

struct Conditioning {
  at::Tensor text;            // [B,T,width]
  at::Tensor guidance_embed;  // undefined, or [B,width]: models that take the guidance scale as an input
};

class Denoiser {
 public:
  virtual ~Denoiser() = default;
  // x: [B,C,h,w] scaled for its timestep; timesteps: float [B]. Returns the raw output [B,C,h,w].
  virtual at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& conditioning,
                             const ForwardHooks& hooks) const = 0;
  virtual int64_t latent_channels() const = 0;
  virtual int64_t guidance_embed_width() const { return 0; }
  virtual std::vector<std::string> block_names() const = 0;  // in forward order, as hooks report them
};

class Autoencoder {
 public:
  virtual ~Autoencoder() = default;
  // Latents in the denoiser's scale [N,C,h,w] -> pixels [N,3,H,W], nominally in [-1,1], unclamped float32.
  virtual at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const = 0;
  // Pixels in [-1,1] -> the mean of the latents, in the denoiser's scale.
  virtual at::Tensor encode(const at::Tensor& pixels, const ForwardHooks& hooks) const = 0;
  virtual int64_t downscale() const = 0;
  virtual double scaling_factor() const = 0;
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
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const TextEncoder> text;
  std::shared_ptr<const Denoiser> denoiser;
  std::shared_ptr<const Autoencoder> autoencoder;
  Json scheduler_config;              // as in the directory
  Recommended recommended;
  int default_side_px = 512;
  int max_text_tokens = 77;
  std::vector<WeightFile> weights;
  std::string dtype = "float32";
  // Rows: one per latent channel and one constant; columns r, g, b in [-1,1]. From the model's baseline, else measured
  // by decoding constant latents. The independent cheap decode.
  std::vector<std::array<double, 3>> latent_to_rgb;
};

}  // namespace safelight
