// Configuration of the UNet with cross-attention of the Stable Diffusion line, as its config.json states it.
#pragma once

#include <string>
#include <vector>

#include "common/base/json.h"

namespace safelight {

struct UnetConfig {
  int64_t in_channels = 4;
  int64_t out_channels = 4;
  int64_t sample_size = 64;                  // latent side the model was trained at
  std::vector<int64_t> block_out_channels = {320, 640, 1280, 1280};
  std::vector<bool> down_attention = {true, true, true, false};   // CrossAttnDownBlock2D or DownBlock2D
  std::vector<bool> up_attention = {false, true, true, true};
  int64_t layers_per_block = 2;
  std::vector<int64_t> heads = {8, 8, 8, 8};                      // per block; the files call it attention_head_dim
  std::vector<int64_t> transformer_layers = {1, 1, 1, 1};
  std::vector<bool> only_cross_attention = {false, false, false, false};
  int64_t cross_attention_dim = 768;
  int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  bool use_linear_projection = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  int64_t time_cond_proj_dim = 0;            // guidance embedding of distilled models; 0: none
  int64_t num_class_embeds = 0;              // noise level of the x4 upscaler; 0: none
  bool text_time_embedding = false;          // pooled text and image sizes are added to the time embedding
  int64_t addition_time_embed_dim = 0;
  int64_t projection_class_embeddings_input_dim = 0;

  // Of the finest level with cross-attention, against the latents; each level halves the side.
  int64_t attention_stride() const;
  // Throws Error(corrupt_file or unsupported) naming `where` and the key.
  static UnetConfig from_json(const Json& json, const std::string& where);
};

}  // namespace safelight
