// Convolutional super-resolution, as published checkpoints hold it: residual-in-residual dense blocks (ESRGAN, Wang et al. 2018, arXiv:1809.00219, and
// Real-ESRGAN, arXiv:2107.10833) and the compact network of Real-ESRGAN's small models. No configuration comes with such files: everything is read off
// the names and shapes of their tensors.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/weights/layers.h"
#include "engine/weights/weight_source.h"

namespace safelight {

struct EsrganConfig {
  bool compact = false;
  int64_t features = 64;
  int64_t blocks = 23;      // residual-in-residual blocks; compact: convolutions between the first and the last
  int64_t growth = 32;      // channels that each convolution of a dense block adds
  int64_t folded = 1;       // side of the squares of pixels that are folded into channels at the entrance
  int64_t doublings = 2;    // compact: none
  int64_t upscale = 4;      // of the side, in all

  // How far a pixel of the result looks, in pixels of the small picture, if every convolution is followed back.
  int64_t reach_px() const;
  // How far it looks in effect: what lies further away moves a pixel by less than a level, for every block adds a fifth of what it computed, and the
  // long ways through many of them carry next to nothing.
  int64_t felt_px() const;
};

// Where the tensors' own names differ from ours: older files number their layers, and training frameworks put a prefix before all.
struct EsrganLayout {
  EsrganConfig config;
  std::function<std::string(const std::string& key)> rename;
};

// Nothing for files that hold something else. Throws Error(unsupported) for a variant of these networks that is not known.
std::optional<EsrganLayout> esrgan_layout(const WeightSource& weights);

class Esrgan {
 public:
  Esrgan(const ParameterScope& p, const EsrganConfig& config);
  // pixels [B,3,H,W] in [0,1], sides multiples of config().folded -> [B,3,H*upscale,W*upscale], unclamped. Throws Error(invalid_argument) on another
  // shape. Thread-safe.
  at::Tensor forward(const at::Tensor& pixels) const;
  const EsrganConfig& config() const { return config_; }

 private:
  struct DenseBlock {
    DenseBlock(const ParameterScope& p, const EsrganConfig& c);
    at::Tensor forward(const at::Tensor& x) const;
    std::vector<Conv2d> convs;
  };
  at::Tensor residual_in_residual(const at::Tensor& pixels) const;
  at::Tensor compact(const at::Tensor& pixels) const;

  EsrganConfig config_;
  std::vector<Conv2d> convs_;              // compact: all; else first, after the blocks, doublings, large, last
  std::vector<DenseBlock> dense_;          // three for each block
  std::vector<at::Tensor> slopes_;         // compact: of the leaky activations, by channel
};

}  // namespace safelight
