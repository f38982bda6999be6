// From a low-resolution latent to the latent of the same picture at twice the side, in one pass: windows of tokens attend to each
// other at the low resolution, a pixel shuffle enlarges, and what comes out is added to the interpolated input. After SwinIR
// (Liang et al., arXiv:2108.10257), with rotary positions (Su et al., arXiv:2104.09864) along both axes of a window in place of its
// position table, and windows that are shifted by padding in place of its cyclic roll.
#pragma once

#include <string>
#include <vector>

#include "common/base/json.h"
#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

struct LatentTransformerConfig {
  int64_t latent_channels = 4;
  int64_t hidden_size = 96;         // of a token; a multiple of 4 * num_attention_heads
  int64_t intermediate_size = 192;  // of the gated feed-forward
  int64_t num_stages = 4;           // two layers (windows on the grid, then shifted ones) and a convolution each
  int64_t num_attention_heads = 4;
  int64_t window_size = 8;          // side of a window, tokens; even
  int64_t upsample_channels = 64;   // at the high resolution
  int64_t sample_size = 16;         // side of the low-resolution latents that it was trained with; others may be given
  double noise_level = 0;           // standard deviation of the noise on the latents that it was trained with, in their own scale

  // Throws Error(corrupt_file or unsupported) naming `where` and the key; a key that is not listed above is refused.
  static LatentTransformerConfig from_json(const Json& json, const std::string& where);
};

class LatentTransformer {
 public:
  static constexpr int64_t kMaxSide = 512;  // of the input

  LatentTransformer(const ParameterScope& p, const LatentTransformerConfig& config);
  // latents [N,C,h,w] in the denoiser's scale, h and w from 1 to kMaxSide -> [N,C,2h,2w] in the same scale. A large input meets the
  // same windows as a small one, so cost and memory grow with h * w. Differentiable, thread-safe. Throws Error(invalid_argument) on
  // another shape.
  at::Tensor forward(const at::Tensor& latents, const ForwardHooks& hooks) const;
  const LatentTransformerConfig& config() const { return config_; }

 private:
  // How the map is cut into windows: it begins `offset` cells before the first row and column, and is filled up with cells that
  // nobody attends to.
  struct Grid {
    Grid(const at::Tensor& map, int64_t window, int64_t offset);   // map [B,h,w,C]
    at::Tensor cut(const at::Tensor& map) const;                   // [B,h,w,C] -> [B * windows, window * window, C]
    at::Tensor paste(const at::Tensor& windows) const;             // and back
    int64_t batch, rows, columns, window, offset, padded_rows, padded_columns;
    at::Tensor bias;   // [B * windows,1,1,window * window], low for the cells that were filled in; undefined where there are none
  };
  struct Rotation {    // of queries and keys by their place in the window
    Rotation(int64_t window, int64_t width, const at::Tensor& like);
    at::Tensor operator()(const at::Tensor& x) const;  // [B,heads,T,width]
    at::Tensor cos, sin;                               // [T,width / 2]
  };
  struct Layer {
    Layer(const ParameterScope& p, const LatentTransformerConfig& c);
    at::Tensor forward(const at::Tensor& map, const Grid& grid, const Rotation& rotation, const ForwardHooks& hooks) const;  // [B,h,w,C]
    std::string path, attention_path;
    int64_t heads;
    LayerNorm norm_attention;
    Linear query, key, value, out;
    LayerNorm norm_mlp;
    Linear mlp_in, mlp_out;
  };
  struct Stage {
    Stage(const ParameterScope& p, const LatentTransformerConfig& c);
    Layer straight, shifted;
    Conv2d conv;
  };

  LatentTransformerConfig config_;
  Conv2d conv_in_;
  std::vector<Stage> stages_;
  LayerNorm norm_out_;
  Conv2d conv_up_, conv_out_;
};

}  // namespace safelight
