// Super-resolution by a transformer over shifted windows of pixels. Source: Conde et al. 2022 (arXiv:2209.11345), with the
// attention of Liu et al. 2021 (arXiv:2111.09883).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "engine/tensor/hooks.h"
#include "engine/weights/layers.h"

namespace safelight {

struct Swin2srConfig {
  int64_t image_size = 64, window_size = 8;  // pictures of one window or less were trained without shifts
  int64_t in_channels = 3, out_channels = 3, embed_dim = 180;
  std::vector<int64_t> depths = {6, 6, 6, 6, 6, 6}, heads = {6, 6, 6, 6, 6, 6};  // per stage
  double mlp_ratio = 2, layer_norm_eps = 1e-5, img_range = 1;
  bool qkv_bias = true;
  int64_t upscale = 2;
  std::string upsampler = "pixelshuffle";  // or pixelshuffle_aux, pixelshuffledirect, nearest+conv
  std::string resi_connection = "1conv";   // or 3conv: what ends a stage

  int64_t shift() const { return image_size > window_size ? window_size / 2 : 0; }
  int64_t mlp_width() const { return static_cast<int64_t>(mlp_ratio * static_cast<double>(embed_dim)); }
  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static Swin2srConfig from_json(const Json& json, const std::string& where);
};

class Swin2sr {
 public:
  Swin2sr(const ParameterScope& p, const Swin2srConfig& config);
  // pixels [B,in,H,W] in [0,1], any size -> [B,out,H*upscale,W*upscale], unclamped. Throws Error(invalid_argument) on another
  // shape. The picture is extended by reflection to whole windows and the result cropped; hooks see the extended one, and of a
  // large picture several attention calls per layer, each with a group of its windows. Thread-safe.
  at::Tensor forward(const at::Tensor& pixels, const ForwardHooks& hooks) const;
  const Swin2srConfig& config() const { return config_; }

 private:
  // The picture cut into windows. `regions` [B * windows, tokens of a window]: after a shift, tokens of one window may attend to
  // each other only where these agree.
  struct Grid {
    int64_t batch, rows, columns, window, shift;
    at::Tensor regions;
    at::Tensor cut(const at::Tensor& tokens, bool shifted) const;    // [B,T,C] -> [B * windows, tokens of a window, C]
    at::Tensor paste(const at::Tensor& windows, bool shifted) const;  // and back
    at::Tensor picture(const at::Tensor& tokens) const;              // [B,T,C] -> [B,C,rows,columns]
  };
  static Grid grid_of(const at::Tensor& x, const Swin2srConfig& c);

  struct Layer {
    Layer(const ParameterScope& p, const Swin2srConfig& c, int64_t heads, bool shifted);
    at::Tensor forward(const at::Tensor& x, const Grid& grid, const ForwardHooks& hooks) const;
    at::Tensor attend(const at::Tensor& windows, const at::Tensor& regions, const ForwardHooks& hooks) const;
    at::Tensor position_bias(const at::Tensor& like) const;  // [1,heads,n,n] for the n tokens of a window
    std::string path, attention_path;
    int64_t heads, window;
    bool shifted;
    at::Tensor logit_scale;  // [heads,1,1]
    Linear bias_in, bias_out, query, key, value, out;
    LayerNorm norm_attention;
    Linear mlp_in, mlp_out;
    LayerNorm norm_mlp;
  };
  struct Stage {
    Stage(const ParameterScope& p, const Swin2srConfig& c, std::size_t index);
    at::Tensor forward(const at::Tensor& x, const Grid& grid, const ForwardHooks& hooks) const;
    std::string path;
    std::vector<Layer> layers;
    std::vector<Conv2d> convs;  // leaky between
    Conv2d embed;
  };

  Swin2srConfig config_;
  Conv2d first_, embed_;
  LayerNorm embed_norm_;
  std::vector<Stage> stages_;
  LayerNorm norm_;
  Conv2d after_body_;
  // (features, padded pixels) -> the enlarged padded picture, normalised.
  std::function<at::Tensor(const at::Tensor&, const at::Tensor&)> upsample_;
};

// Names for LoadOptions::rename: checkpoints may hold tables that follow from the window size.
std::string swin2sr_key(const std::string& key);

}  // namespace safelight
