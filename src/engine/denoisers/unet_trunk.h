// The half of the UNet that goes down, with its embeddings and its middle: what ControlNets copy.
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
  std::vector<at::Tensor> control;  // residuals of a ControlNet: one for every skip, and one for the middle; or empty
};

// One down or up block.
struct UnetStage {
  std::string path;
  std::vector<ResnetBlock> resnets;
  std::vector<Transformer2d> attentions;  // empty, or one per resnet
  std::optional<Conv2d> resample;
};

class UnetTrunk {
 public:
  UnetTrunk(const ParameterScope& p, const UnetConfig& config);
  // What every block of this pass is told. Throws Error(invalid_argument) when an input is missing.
  UnetPass pass(const UnetInputs& in, const ForwardHooks& hooks) const;
  // Pushes every skip, and returns the output of the middle block; with `wanted`, pushes only so many and stops there. `hint`: undefined, or added
  // after the first convolution.
  at::Tensor descend(const at::Tensor& sample, const at::Tensor& hint, const UnetPass& pass, std::vector<at::Tensor>& skips, std::size_t wanted = 0) const;

  TransformerShape shape(std::size_t block) const;
  const std::vector<int64_t>& skip_channels() const { return skip_channels_; }   // of every skip, in the order in which they are pushed
  const UnetConfig& config() const { return config_; }
  int64_t time_width() const { return time_width_; }
  std::vector<std::string> block_names() const;

 private:
  UnetStage make_down(const ParameterScope& p, std::size_t i) const;

  UnetConfig config_;
  int64_t time_width_;
  Conv2d conv_in_;
  Linear time1_, time2_;
  std::optional<Linear> guidance_;
  std::optional<Embedding> classes_;
  std::optional<Linear> addition1_, addition2_;
  std::vector<UnetStage> down_;
  std::vector<int64_t> skip_channels_;
  std::vector<ResnetBlock> mid_resnets_;
  std::optional<Transformer2d> mid_attention_;
};

std::vector<std::string> names_of(const std::vector<UnetStage>& stages);

}  // namespace safelight
