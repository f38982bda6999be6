// A denoiser with a ControlNet beside it: a decorator, so that the run knows nothing of it.
#pragma once

#include <filesystem>
#include <memory>

#include "engine/pipelines/components.h"

namespace safelight {

struct ControlSettings {
  std::filesystem::path directory;  // config.json and weights of the ControlNet
  std::string dtype = "float32";
  at::Device device = at::kCPU;
  at::Tensor hint;                  // [1,3,H,W] in [0,1], at the size of the picture
  double scale = 1;
  bool guess = false;               // residuals for the conditional half alone, rising with depth
};

// Residuals are reported to observers as blocks "controlnet.0" and so on, before the denoiser's own. Throws Error(conflict)
// when the inner denoiser is no UNet, and what opening the weights throws.
std::shared_ptr<const Denoiser> controlled(std::shared_ptr<const Denoiser> inner, const ControlSettings& settings);

}  // namespace safelight
