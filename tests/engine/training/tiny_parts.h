// The parts of a model of a few thousand weights, for recipes of tests.
#pragma once

#include <string>

namespace safelight {

inline constexpr const char* kTinyScheduler = R"(
[scheduler]
_class_name = "DDIMScheduler"
num_train_timesteps = 1000
beta_start = 0.00085
beta_end = 0.02
beta_schedule = "scaled_linear"
prediction_type = "v_prediction"
)";

// The rest of a table [unet], which begins with _class_name, in_channels, out_channels, sample_size in any order.
inline constexpr const char* kTinyUnet = R"(
block_out_channels = [16, 16]
down_block_types = ["DownBlock2D", "CrossAttnDownBlock2D"]
up_block_types = ["CrossAttnUpBlock2D", "UpBlock2D"]
layers_per_block = 1
attention_head_dim = 2
cross_attention_dim = 16
norm_num_groups = 4
)";

// Goes after a recipe's own lines; the last table is [unet], which lacks sample_size alone.
inline const std::string kTinyParts = std::string(R"(
[vae]
_class_name = "AutoencoderKL"
act_fn = "silu"
latent_channels = 4
block_out_channels = [8, 8]
down_block_types = ["DownEncoderBlock2D", "DownEncoderBlock2D"]
up_block_types = ["UpDecoderBlock2D", "UpDecoderBlock2D"]
layers_per_block = 1
norm_num_groups = 4
[text_encoder]
hidden_act = "quick_gelu"
hidden_size = 16
intermediate_size = 32
num_hidden_layers = 1
num_attention_heads = 2
max_position_embeddings = 32
projection_dim = 16
[unet]
_class_name = "UNet2DConditionModel"
act_fn = "silu"
in_channels = 4
out_channels = 4)") + kTinyUnet;

}  // namespace safelight
