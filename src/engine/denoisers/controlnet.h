// A copy of the UNet's descending half that reads a hint picture and gives residuals for the UNet's skips. Source: Zhang et
// al. 2023 (arXiv:2302.05543).
#pragma once

#include "engine/denoisers/unet_trunk.h"

namespace safelight {

struct ControlNetConfig {
  UnetConfig unet;
  int64_t conditioning_channels = 3;
  std::vector<int64_t> embedding_channels = {16, 32, 96, 256};
  bool bgr = false;   // order of the hint's channels

  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static ControlNetConfig from_json(const Json& json, const std::string& where);
};

class ControlNet {
 public:
  ControlNet(const ParameterScope& p, const ControlNetConfig& config);
  // hint: [B,3,8h,8w] in [0,1]. Returns one residual per skip of the UNet and one for its middle, times `scale`. `guess`: rising
  // strength from a tenth at the first skip to all of it in the middle, for use without a prompt. Thread-safe.
  std::vector<at::Tensor> forward(const UnetInputs& in, const at::Tensor& hint, double scale, bool guess, const ForwardHooks& hooks) const;
  const ControlNetConfig& config() const { return config_; }

 private:
  ControlNetConfig config_;
  UnetTrunk trunk_;
  Conv2d hint_in_;
  std::vector<Conv2d> hint_blocks_;
  Conv2d hint_out_;
  std::vector<Conv2d> skip_out_;
  Conv2d mid_out_;
};

}  // namespace safelight
