// A small convolutional autoencoder distilled from a KL one: previews, and fast decodes. Source: TAESD (O. B. Bohan, 2023).
#pragma once

#include <optional>
#include <vector>

#include "common/base/json.h"
#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

struct TinyAutoencoderConfig {
  int64_t in_channels = 3, out_channels = 3, latent_channels = 4;
  std::vector<int64_t> encoder_channels = {64, 64, 64, 64}, decoder_channels = {64, 64, 64, 64};
  std::vector<int64_t> encoder_blocks = {1, 3, 3, 3}, decoder_blocks = {3, 3, 3, 1};
  double latent_magnitude = 3, latent_shift = 0.5, scaling_factor = 1, shift_factor = 0;

  int64_t downscale() const { return int64_t{1} << (encoder_blocks.size() - 1); }
  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static TinyAutoencoderConfig from_json(const Json& json, const std::string& where);
};

class TinyAutoencoder {
 public:
  TinyAutoencoder(const ParameterScope& p, const TinyAutoencoderConfig& config);
  // pixels [N,3,H,W] in [-1,1] -> latents [N,C,h,w]; latents -> pixels, unclamped. Thread-safe.
  at::Tensor encode(const at::Tensor& pixels, const ForwardHooks& hooks) const;
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const;
  // Latents to [0,1], as one stores them in an image file, and back.
  at::Tensor to_unit(const at::Tensor& latents) const;
  at::Tensor from_unit(const at::Tensor& unit) const;
  const TinyAutoencoderConfig& config() const { return config_; }

 private:
  struct Block {
    Block(const ParameterScope& p, int64_t width);
    at::Tensor forward(const at::Tensor& x) const;
    Conv2d conv0, conv2, conv4;
  };
  struct Layer {  // one entry of the sequence: exactly one of these, or upsampling when none is set
    std::string path;
    std::optional<Conv2d> conv;
    std::optional<Block> block;
    bool relu = false;
  };
  static at::Tensor run(const std::vector<Layer>& layers, at::Tensor x, const ForwardHooks& hooks);

  TinyAutoencoderConfig config_;
  std::vector<Layer> encoder_, decoder_;
};

}  // namespace safelight
