#include "engine/denoisers/unet_config.h"

#include "engine/weights/config_reader.h"

namespace safelight {
namespace {

std::vector<bool> attention_of(const std::vector<std::string>& types, const ConfigReader& read, const char* key,
                               const std::string& with, const std::string& without) {
  std::vector<bool> out;
  for (const std::string& type : types) {
    read.one_of(key, type, {with.c_str(), without.c_str()});
    out.push_back(type == with);
  }
  if (out.empty()) read.fail(key, "must name at least one block");
  return out;
}

void read_blocks(const ConfigReader& read, UnetConfig& c) {
  std::vector<std::string> down = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                   "DownBlock2D"};
  std::vector<std::string> up = {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
  read("down_block_types", down);
  read("up_block_types", up);
  c.down_attention = attention_of(down, read, "down_block_types", "CrossAttnDownBlock2D", "DownBlock2D");
  c.up_attention = attention_of(up, read, "up_block_types", "CrossAttnUpBlock2D", "UpBlock2D");
  if (up.size() != down.size()) read.fail("up_block_types", "must have as many entries as down_block_types");
  const std::size_t blocks = down.size();
  read.list("block_out_channels", c.block_out_channels, blocks);
  if (c.block_out_channels.size() != blocks) read.fail("block_out_channels", "must have one entry per block");
  c.heads.assign(blocks, 8);
  read.list("attention_head_dim", c.heads, blocks);
  read.list("num_attention_heads", c.heads, blocks);
  c.transformer_layers.assign(blocks, 1);
  read.list("transformer_layers_per_block", c.transformer_layers, blocks);
  c.only_cross_attention.assign(blocks, false);
  read.list("only_cross_attention", c.only_cross_attention, blocks);
  for (std::size_t i = 0; i < blocks; ++i) {
    read.positive("block_out_channels", c.block_out_channels[i]);
    read.positive("transformer_layers_per_block", c.transformer_layers[i]);
    read.divides("attention_head_dim", c.heads[i], "block_out_channels", c.block_out_channels[i]);
    read.divides("norm_num_groups", c.norm_num_groups, "block_out_channels", c.block_out_channels[i]);
  }
}

void refuse_what_would_change_the_result(const ConfigReader& read) {
  read.must_be("act_fn", "silu");
  read.must_be("downsample_padding", 1);
  read.must_be("mid_block_scale_factor", 1);
  read.must_be("center_input_sample", false);
  read.must_be("dual_cross_attention", false);
  read.must_be("resnet_time_scale_shift", "default");
  read.must_be("mid_block_type", "UNetMidBlock2DCrossAttn");
  for (const char* key : {"class_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "time_embedding_dim",
                          "time_embedding_act_fn", "timestep_post_act", "reverse_transformer_layers_per_block",
                          "mid_block_only_cross_attention", "cross_attention_norm", "dropout"}) {
    if (std::string(key) == "dropout") read.must_be(key, 0.0);
    else read.must_be(key, nullptr);
  }
  read.must_be("attention_type", "default");
  read.must_be("conv_in_kernel", 3);
  read.must_be("conv_out_kernel", 3);
  read.must_be("time_embedding_type", "positional");
}

}  // namespace

UnetConfig UnetConfig::from_json(const Json& json, const std::string& where) {
  UnetConfig c;
  const ConfigReader read(json, where);
  refuse_what_would_change_the_result(read);
  read("in_channels", c.in_channels);
  read("out_channels", c.out_channels);
  read("sample_size", c.sample_size);
  read("layers_per_block", c.layers_per_block);
  read("cross_attention_dim", c.cross_attention_dim);
  read("norm_num_groups", c.norm_num_groups);
  read("norm_eps", c.norm_eps);
  read("use_linear_projection", c.use_linear_projection);
  read("flip_sin_to_cos", c.flip_sin_to_cos);
  read("freq_shift", c.freq_shift);
  read("time_cond_proj_dim", c.time_cond_proj_dim);
  read("num_class_embeds", c.num_class_embeds);
  std::string addition;
  read("addition_embed_type", addition);
  if (!addition.empty()) read.one_of("addition_embed_type", addition, {"text_time"});
  c.text_time_embedding = addition == "text_time";
  if (c.text_time_embedding) {
    read("addition_time_embed_dim", c.addition_time_embed_dim);
    read("projection_class_embeddings_input_dim", c.projection_class_embeddings_input_dim);
    read.positive("addition_time_embed_dim", c.addition_time_embed_dim);
    read.positive("projection_class_embeddings_input_dim", c.projection_class_embeddings_input_dim);
  }
  read.positive("in_channels", c.in_channels);
  read.positive("out_channels", c.out_channels);
  read.positive("layers_per_block", c.layers_per_block);
  read.positive("sample_size", c.sample_size);
  if (c.sample_size > 1024) read.fail("sample_size", "is " + std::to_string(c.sample_size) + "; it must lie between 1 and 1024");
  if (!(c.norm_eps > 0 && c.norm_eps < 1)) read.fail("norm_eps", "must lie between 0 and 1");
  if (!(c.freq_shift >= 0 && c.freq_shift <= 1)) read.fail("freq_shift", "must lie between 0 and 1");
  read.positive("cross_attention_dim", c.cross_attention_dim);
  read.positive("norm_num_groups", c.norm_num_groups);
  read_blocks(read, c);
  return c;
}

int64_t UnetConfig::attention_stride() const {
  for (std::size_t i = 0; i < down_attention.size(); ++i)
    if (down_attention[i]) return int64_t{1} << i;
  return int64_t{1} << (down_attention.size() - 1);  // the middle block always attends
}

}  // namespace safelight
