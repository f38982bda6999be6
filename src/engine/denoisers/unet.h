// The UNet with cross-attention of latent diffusion (Rombach et al., arXiv:2112.10752), SD 1.x to SDXL shapes.
#pragma once

#include "engine/denoisers/unet_trunk.h"

namespace safelight {

class Unet {
 public:
  Unet(const ParameterScope& p, const UnetConfig& config);
  // Returns [B,out_channels,h,w]. Any h, w >= 1. Thread-safe; throws Error(invalid_argument) when an input that the
  // configuration asks for is missing, Error(conflict) when control residuals are of another model.
  at::Tensor forward(const UnetInputs& in, const ForwardHooks& hooks) const;
  const UnetConfig& config() const { return trunk_.config(); }
  std::vector<std::string> block_names() const;  // as hooks report them, in forward order

 private:
  void add_control(const std::vector<at::Tensor>& residuals, std::vector<at::Tensor>& skips, at::Tensor& x) const;
  UnetStage make_up(const ParameterScope& p, std::size_t i) const;

  UnetTrunk trunk_;
  std::vector<UnetStage> up_;
  GroupNorm norm_out_;
  Conv2d conv_out_;
};

}  // namespace safelight
