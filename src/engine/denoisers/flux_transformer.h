// The transformer of FLUX.1: double-stream blocks, then single-stream blocks over text and image together, with rotary
// positions. Source: Black Forest Labs, FLUX.1 (2024); rotary positions by Su et al. (arXiv:2104.09864).
#pragma once

#include "common/base/json.h"
#include "engine/denoisers/dit_layers.h"

namespace safelight {

struct FluxConfig {
  int64_t in_channels = 64, num_layers = 19, num_single_layers = 38, head_dim = 128, heads = 24;
  int64_t joint_attention_dim = 4096, pooled_projection_dim = 768;
  bool guidance_embeds = false;
  std::vector<int64_t> axes = {16, 56, 56};   // head dimensions for index, row and column

  int64_t width() const { return head_dim * heads; }
  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static FluxConfig from_json(const Json& json, const std::string& where);
};

struct FluxInputs {
  at::Tensor sample;      // [B,patches,in_channels]: 2x2 latents packed into one token
  at::Tensor timesteps;   // [B] in 0..1
  at::Tensor guidance;    // [B], for models with an embedding of it; else undefined
  at::Tensor text;        // [B,T,joint_attention_dim]
  at::Tensor pooled;      // [B,pooled_projection_dim]
  at::Tensor text_ids;    // [T,3], zeros
  at::Tensor image_ids;   // [patches,3]: 0, row, column
};

class FluxTransformer {
 public:
  FluxTransformer(const ParameterScope& p, const FluxConfig& config);
  // Returns [B,patches,in_channels]. Thread-safe; throws Error(invalid_argument) when guidance is missing.
  at::Tensor forward(const FluxInputs& in, const ForwardHooks& hooks) const;
  const FluxConfig& config() const { return config_; }
  std::vector<std::string> block_names() const;

 private:
  struct Rotation {
    at::Tensor cos, sin;  // [1,1,tokens,head_dim/2]
  };
  struct Double {
    Double(const ParameterScope& p, const FluxConfig& c);
    void forward(at::Tensor& image, at::Tensor& text, const at::Tensor& embedding, const Rotation& r, const ForwardHooks& hooks) const;
    std::string path;
    int64_t heads;
    Modulation norm1, norm1_text;
    StreamProjections image_qkv, text_qkv;
    Linear image_out, text_out;
    GeluFeedForward ff, ff_text;
  };
  struct Single {
    Single(const ParameterScope& p, const FluxConfig& c);
    at::Tensor forward(const at::Tensor& x, const at::Tensor& embedding, const Rotation& r, const ForwardHooks& hooks) const;
    std::string path;
    int64_t heads;
    Modulation norm;
    StreamProjections qkv;
    Linear mlp, out;
  };
  // All blocks; returns the picture's tokens.
  at::Tensor through_blocks(const at::Tensor& image, at::Tensor text, const at::Tensor& embedding, const Rotation& r, const ForwardHooks& hooks) const;
  Rotation rotation(const at::Tensor& ids, at::Device device) const;
  static at::Tensor rotated(const at::Tensor& x, const Rotation& r);

  FluxConfig config_;
  Linear image_in_, text_in_;
  TimeEmbedding time_;
  std::optional<TimeEmbedding> guidance_;
  EmbeddingMlp pooled_;
  std::vector<Double> double_;
  std::vector<Single> single_;
  FinalModulation norm_out_;
  Linear out_;
};

// Latents [B,C,h,w] <-> tokens [B,h/2*w/2,4C], and the ids of the tokens [h/2*w/2,3].
at::Tensor packed_latents(const at::Tensor& latents);
at::Tensor unpacked_latents(const at::Tensor& tokens, int64_t height, int64_t width);
at::Tensor patch_ids(int64_t rows, int64_t columns);

}  // namespace safelight
