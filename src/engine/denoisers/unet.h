// The UNet with cross-attention of latent diffusion (Rombach et al., arXiv:2112.10752), SD 1.x to SDXL shapes.
#pragma once

#include "engine/denoisers/unet_config.h"
#include "engine/denoisers/unet_layers.h"

namespace safelight {

struct UnetInputs {
  at::Tensor sample;          // [B,in_channels,h,w], already scaled for its timestep
  at::Tensor timesteps;       // [B] or [1], training index, float (fractions allowed)
  at::Tensor text;            // [B,tokens,cross_attention_dim]
  at::Tensor text_mask;       // undefined, or [B,tokens] with 1 to keep and 0 to ignore
  at::Tensor guidance_embed;  // undefined, or [B,time_cond_proj_dim]
  at::Tensor class_labels;    // undefined, or int64 [B]
  at::Tensor pooled_text;     // text_time models: [B,pooled]
  at::Tensor time_ids;        // text_time models: [B,6] sizes and crops
};

class Unet {
 public:
  Unet(const ParameterScope& p, const UnetConfig& config);
  // Returns [B,out_channels,h,w]. Any h, w >= 1. Thread-safe; throws Error(invalid_argument) when an input that the
  // configuration asks for is missing.
  at::Tensor forward(const UnetInputs& in, const ForwardHooks& hooks) const;
  const UnetConfig& config() const { return config_; }
  std::vector<std::string> block_names() const;  // as hooks report them, in forward order

 private:
  struct Stage {  // one down or up block
    std::string path;
    std::vector<ResnetBlock> resnets;
    std::vector<Transformer2d> attentions;  // empty, or one per resnet
    std::optional<Conv2d> resample;
  };
  Stage make_down(const ParameterScope& p, std::size_t i) const;
  Stage make_up(const ParameterScope& p, std::size_t i) const;
  TransformerShape shape(std::size_t block) const;
  at::Tensor time_embedding(const UnetInputs& in) const;

  UnetConfig config_;
  int64_t time_width_;
  Conv2d conv_in_;
  Linear time1_, time2_;
  std::optional<Linear> guidance_;
  std::optional<Embedding> classes_;
  std::optional<Linear> addition1_, addition2_;
  std::vector<Stage> down_;
  std::vector<ResnetBlock> mid_resnets_;
  std::optional<Transformer2d> mid_attention_;
  std::vector<Stage> up_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

}  // namespace safelight
