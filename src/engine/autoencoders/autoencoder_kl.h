// The KL autoencoder of latent diffusion (arXiv:2112.10752): pixels [N,3,H,W] in [-1,1] <-> latents [N,C,h,w].
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

struct AutoencoderKlConfig {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  std::vector<int64_t> block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;
  int64_t norm_num_groups = 32;
  double scaling_factor = 0.18215;  // latents of the denoiser = (encoder's - shift) * scaling
  double shift_factor = 0.0;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_attention = true;
  bool force_upcast = false;        // half precision overflows; decode in float32

  int64_t downscale() const { return int64_t{1} << (block_out_channels.size() - 1); }
  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static AutoencoderKlConfig from_json(const Json& json, const std::string& where);
};

// Mean and log-variance of the encoder's Gaussian, each [N,C,h,w]; logvar is clamped to [-30, 20].
struct LatentGaussian {
  at::Tensor moments, mean, logvar;
  at::Tensor sample(const at::Tensor& eps) const;  // mean + exp(logvar/2) * eps
};

class AutoencoderKl {
 public:
  AutoencoderKl(const ParameterScope& p, const AutoencoderKlConfig& config);
  // Both without the scaling and shift of the denoiser's latents. Thread-safe.
  LatentGaussian encode(const at::Tensor& pixels, const ForwardHooks& hooks) const;
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const;
  const AutoencoderKlConfig& config() const { return config_; }

 private:
  struct Resnet {
    Resnet(const ParameterScope& p, int64_t in, int64_t out, int64_t groups);
    at::Tensor forward(const at::Tensor& x, const ForwardHooks& hooks) const;
    std::string path;
    GroupNorm norm1;
    Conv2d conv1;
    GroupNorm norm2;
    Conv2d conv2;
    std::optional<Conv2d> shortcut;
  };
  struct SpatialAttention {  // one head over all positions
    SpatialAttention(const ParameterScope& p, int64_t width, int64_t groups);
    at::Tensor forward(const at::Tensor& x, const ForwardHooks& hooks) const;
    std::string path;
    GroupNorm norm;
    Linear q, k, v, out;
  };
  struct Stage {
    std::string path;
    std::vector<Resnet> resnets;
    std::optional<Conv2d> resample;
  };
  struct Half {  // encoder or decoder: what both share
    Half(const ParameterScope& p, const AutoencoderKlConfig& c, bool encoder);
    at::Tensor mid(const at::Tensor& x, const ForwardHooks& hooks) const;
    std::string path;
    Conv2d conv_in;
    std::vector<Stage> stages;
    std::vector<Resnet> mid_resnets;
    std::optional<SpatialAttention> mid_attention;
    GroupNorm norm_out;
    Conv2d conv_out;
  };

  AutoencoderKlConfig config_;
  Half encoder_, decoder_;
  std::optional<Conv2d> quant_, post_quant_;
};

}  // namespace safelight
