// The multimodal diffusion transformer of Stable Diffusion 3 and 3.5: text and image tokens keep weights of their own and
// attend jointly. Source: Esser et al. 2024 (arXiv:2403.03206).
#pragma once

#include "common/base/json.h"
#include "engine/denoisers/dit_layers.h"

namespace safelight {

struct MmditConfig {
  int64_t sample_size = 128, patch_size = 2, in_channels = 16, out_channels = 16;
  int64_t num_layers = 24, head_dim = 64, heads = 24;
  int64_t joint_attention_dim = 4096, caption_projection_dim = 1536, pooled_projection_dim = 2048;
  int64_t pos_embed_max_size = 192;
  bool qk_norm = false;                       // root-mean-square norms of queries and keys (3.5)
  std::vector<int64_t> dual_attention_layers; // layers with a second attention among image tokens (3.5 medium)

  int64_t width() const { return head_dim * heads; }
  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static MmditConfig from_json(const Json& json, const std::string& where);
};

class Mmdit {
 public:
  Mmdit(const ParameterScope& p, const MmditConfig& config);
  // sample [B,C,h,w], timesteps [B] in 0..1000, text [B,T,joint_attention_dim], pooled [B,pooled_projection_dim] ->
  // [B,out,h,w]. h and w must be multiples of the patch and at most pos_embed_max_size patches. Thread-safe.
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timesteps, const at::Tensor& text, const at::Tensor& pooled,
                     const ForwardHooks& hooks) const;
  const MmditConfig& config() const { return config_; }
  std::vector<std::string> block_names() const;

 private:
  struct Block {
    Block(const ParameterScope& p, const MmditConfig& c, int64_t index);
    // Changes both streams in place; the last block leaves the text as it is.
    void forward(at::Tensor& image, at::Tensor& text, const at::Tensor& embedding, const ForwardHooks& hooks) const;
    std::string path;
    int64_t heads;
    bool last;
    Modulation norm1;
    std::optional<Modulation> norm1_text;
    std::optional<FinalModulation> norm1_text_last;
    StreamProjections image_qkv, text_qkv;
    Linear image_out;
    std::optional<Linear> text_out;
    std::optional<StreamProjections> second_qkv;
    std::optional<Linear> second_out;
    GeluFeedForward ff;
    std::optional<GeluFeedForward> ff_text;
  };
  at::Tensor through_blocks(const at::Tensor& image, at::Tensor words, const at::Tensor& embedding, const ForwardHooks& hooks) const;
  at::Tensor position(int64_t rows, int64_t columns) const;

  MmditConfig config_;
  Conv2d patches_;
  at::Tensor positions_;  // [1, max * max, width]
  TimeEmbedding time_;
  EmbeddingMlp pooled_;
  Linear text_in_;
  std::vector<Block> blocks_;
  FinalModulation norm_out_;
  Linear out_;
};

}  // namespace safelight
