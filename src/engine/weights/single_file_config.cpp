// The configurations that belong to a single-file checkpoint: what shapes and names tell, and for the rest the published models'.
#include <algorithm>
#include <cmath>

#include "engine/weights/single_file_map.h"

namespace safelight {
namespace {

// One component's tensors under the directory's names.
class Part {
 public:
  Part(const SingleFileMap& map, const std::string& component) {
    for (const MappedTensor& t : map.tensors)
      if (t.component == component) shapes_[t.key] = t.shape;
  }
  bool empty() const { return shapes_.empty(); }
  bool has(const std::string& key) const { return shapes_.contains(key); }
  // 0 when the tensor or the dimension is not there.
  int64_t size(const std::string& key, std::size_t dimension) const {
    const auto it = shapes_.find(key);
    return it == shapes_.end() || dimension >= it->second.size() ? 0 : it->second[dimension];
  }
  std::size_t dimensions(const std::string& key) const { const auto it = shapes_.find(key); return it == shapes_.end() ? 0 : it->second.size(); }
  // How many i there are from 0 on with before + i + after.
  int64_t count(const std::string& before, const std::string& after) const {
    int64_t n = 0;
    while (has(before + std::to_string(n) + after)) ++n;
    return n;
  }

 private:
  TensorShapes shapes_;
};

Json unet_config(const Part& p, const std::string& layout) {
  const int64_t blocks = p.count("down_blocks.", ".resnets.0.conv1.weight");
  Json widths = Json::array(), heads = Json::array(), down = Json::array(), up = Json::array(), layers = Json::array();
  const bool linear = p.dimensions("mid_block.attentions.0.proj_in.weight") == 2;
  for (int64_t i = 0; i < blocks; ++i) {
    const std::string b = "down_blocks." + std::to_string(i);
    const int64_t width = p.size(b + ".resnets.0.conv1.weight", 0);
    widths.push_back(width);
    heads.push_back(std::max<int64_t>(width / 64, 1));
    const bool attends = p.has(b + ".attentions.0.proj_in.weight");
    down.push_back(attends ? "CrossAttnDownBlock2D" : "DownBlock2D");
    const std::string at = attends ? b : i + 1 == blocks ? "mid_block" : "";
    layers.push_back(std::max<int64_t>(p.count(at + ".attentions.0.transformer_blocks.", ".norm1.weight"), 1));
    up.push_back(p.has("up_blocks." + std::to_string(i) + ".attentions.0.proj_in.weight") ? "CrossAttnUpBlock2D" : "UpBlock2D");
  }
  Json c = {{"_class_name", "UNet2DConditionModel"}, {"in_channels", p.size("conv_in.weight", 1)}, {"out_channels", p.size("conv_out.weight", 0)},
            {"block_out_channels", widths}, {"down_block_types", down}, {"up_block_types", up}, {"layers_per_block", p.count("down_blocks.0.resnets.", ".conv1.weight")},
            {"cross_attention_dim", p.size("mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", 1)}, {"use_linear_projection", linear},
            {"transformer_layers_per_block", layers}, {"sample_size", layout == "sd1" ? 64 : layout == "sd2" ? 96 : 128}};
  c["attention_head_dim"] = linear ? heads : Json(8);  // the files' name for the number of heads
  if (p.has("add_embedding.linear_1.weight")) {
    c["addition_embed_type"] = "text_time";
    c["addition_time_embed_dim"] = 256;
    c["projection_class_embeddings_input_dim"] = p.size("add_embedding.linear_1.weight", 1);
  }
  if (p.has("class_embedding.weight")) c["num_class_embeds"] = p.size("class_embedding.weight", 0);
  if (p.has("time_embedding.cond_proj.weight")) c["time_cond_proj_dim"] = p.size("time_embedding.cond_proj.weight", 1);
  return c;
}

Json vae_config(const Part& p, const std::string& layout) {
  Json widths = Json::array(), down = Json::array(), up = Json::array();
  const int64_t blocks = p.count("encoder.down_blocks.", ".resnets.0.conv1.weight"), latent = p.size("decoder.conv_in.weight", 1);
  for (int64_t i = 0; i < blocks; ++i) {
    widths.push_back(p.size("encoder.down_blocks." + std::to_string(i) + ".resnets.0.conv1.weight", 0));
    down.push_back("DownEncoderBlock2D");
    up.push_back("UpDecoderBlock2D");
  }
  Json c = {{"_class_name", "AutoencoderKL"}, {"block_out_channels", widths}, {"down_block_types", down}, {"up_block_types", up},
            {"layers_per_block", p.count("encoder.down_blocks.0.resnets.", ".conv1.weight")}, {"latent_channels", latent}, {"norm_num_groups", 32},
            {"use_quant_conv", p.has("quant_conv.weight")}, {"use_post_quant_conv", p.has("post_quant_conv.weight")}, {"force_upcast", layout == "sdxl"}};
  // How latents were scaled in training; shapes do not tell it.
  const bool wide = latent == 16;
  const bool sd3 = layout == "sd3";
  c["scaling_factor"] = wide ? (sd3 ? 1.5305 : 0.3611) : layout.starts_with("sdxl") ? 0.13025 : 0.18215;
  if (wide) c["shift_factor"] = sd3 ? 0.0609 : 0.1159;
  return c;
}

Json clip_config(const Part& p, bool open_clip) {
  const int64_t width = p.size("text_model.embeddings.token_embedding.weight", 1);
  const bool projected = p.has("text_projection.weight");
  Json c = {{"architectures", {projected ? "CLIPTextModelWithProjection" : "CLIPTextModel"}}, {"hidden_size", width},
            {"vocab_size", p.size("text_model.embeddings.token_embedding.weight", 0)}, {"max_position_embeddings", p.size("text_model.embeddings.position_embedding.weight", 0)},
            {"num_hidden_layers", p.count("text_model.encoder.layers.", ".layer_norm1.weight")}, {"num_attention_heads", std::max<int64_t>(width / 64, 1)},
            {"intermediate_size", p.size("text_model.encoder.layers.0.mlp.fc1.weight", 0)}, {"hidden_act", open_clip ? "gelu" : "quick_gelu"},
            {"eos_token_id", p.size("text_model.embeddings.token_embedding.weight", 0) - 1}};
  if (projected) c["projection_dim"] = p.size("text_projection.weight", 0);
  return c;
}

Json t5_config(const Part& p) {
  const int64_t heads = std::max<int64_t>(p.size("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 1), 1);
  const bool gated = p.has("encoder.block.0.layer.1.DenseReluDense.wi_0.weight");
  return {{"architectures", {"T5EncoderModel"}}, {"d_model", p.size("shared.weight", 1)}, {"vocab_size", p.size("shared.weight", 0)}, {"num_heads", heads},
          {"d_kv", p.size("encoder.block.0.layer.0.SelfAttention.q.weight", 0) / heads},
          {"d_ff", p.size(gated ? "encoder.block.0.layer.1.DenseReluDense.wi_0.weight" : "encoder.block.0.layer.1.DenseReluDense.wi.weight", 0)},
          {"num_layers", p.count("encoder.block.", ".layer.0.SelfAttention.q.weight")}, {"feed_forward_proj", gated ? "gated-gelu" : "relu"},
          {"relative_attention_num_buckets", p.size("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 0)}};
}

Json mmdit_config(const Part& p) {
  const int64_t width = p.size("pos_embed.proj.weight", 0), patch = std::max<int64_t>(p.size("pos_embed.proj.weight", 2), 1);
  const int64_t positions = p.size("pos_embed.pos_embed", p.dimensions("pos_embed.pos_embed") == 3 ? 1 : 0);
  Json c = {{"_class_name", "SD3Transformer2DModel"}, {"in_channels", p.size("pos_embed.proj.weight", 1)}, {"out_channels", p.size("proj_out.weight", 0) / (patch * patch)},
            {"patch_size", patch}, {"attention_head_dim", 64}, {"num_attention_heads", std::max<int64_t>(width / 64, 1)}, {"num_layers", p.count("transformer_blocks.", ".attn.to_q.weight")},
            {"caption_projection_dim", width}, {"joint_attention_dim", p.size("context_embedder.weight", 1)}, {"pooled_projection_dim", p.size("time_text_embed.text_embedder.linear_1.weight", 1)},
            {"pos_embed_max_size", static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(positions))))}, {"sample_size", 128}};
  if (p.has("transformer_blocks.0.attn.norm_q.weight")) c["qk_norm"] = "rms_norm";
  Json dual = Json::array();
  for (int64_t i = 0; i < c["num_layers"].get<int64_t>(); ++i)
    if (p.has("transformer_blocks." + std::to_string(i) + ".attn2.to_q.weight")) dual.push_back(i);
  if (!dual.empty()) c["dual_attention_layers"] = dual;
  return c;
}

Json flux_config(const Part& p) {
  const int64_t head = std::max<int64_t>(p.size("single_transformer_blocks.0.attn.norm_q.weight", 0), 1);
  return {{"_class_name", "FluxTransformer2DModel"}, {"in_channels", p.size("x_embedder.weight", 1)}, {"num_layers", p.count("transformer_blocks.", ".attn.to_q.weight")},
          {"num_single_layers", p.count("single_transformer_blocks.", ".attn.to_q.weight")}, {"attention_head_dim", head}, {"num_attention_heads", p.size("x_embedder.weight", 0) / head},
          {"joint_attention_dim", p.size("context_embedder.weight", 1)}, {"pooled_projection_dim", p.size("time_text_embed.text_embedder.linear_1.weight", 1)},
          {"guidance_embeds", p.has("time_text_embed.guidance_embedder.linear_1.weight")}};
}

Json scheduler_config(const std::string& layout, bool guided, bool wide) {
  if (layout == "flux")
    return {{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"num_train_timesteps", 1000}, {"shift", guided ? 3.0 : 1.0}, {"use_dynamic_shifting", guided},
            {"base_shift", 0.5}, {"max_shift", 1.15}, {"base_image_seq_len", 256}, {"max_image_seq_len", 4096}};
  if (layout == "sd3") return {{"_class_name", "FlowMatchEulerDiscreteScheduler"}, {"num_train_timesteps", 1000}, {"shift", 3.0}};
  Json c = {{"_class_name", layout == "sd1" ? "PNDMScheduler" : layout == "sd2" ? "DDIMScheduler" : "EulerDiscreteScheduler"}, {"num_train_timesteps", 1000}, {"beta_start", 0.00085},
            {"beta_end", 0.012}, {"beta_schedule", "scaled_linear"}, {"steps_offset", 1}, {"timestep_spacing", "leading"}};
  if (layout == "sd1") c["skip_prk_steps"] = true;
  if (layout == "sd1" || layout == "sd2") c["set_alpha_to_one"] = false;
  if (layout == "sd2") c["clip_sample"] = false;
  // The second generation's large model predicts v, its base model the noise; nothing in the file tells them apart. Inpainting
  // variants predict the noise.
  if (layout == "sd2") c["prediction_type"] = wide ? "epsilon" : "v_prediction";
  return c;
}

}  // namespace

std::map<std::string, Json> derive_configs(const SingleFileMap& map) {
  std::map<std::string, Json> out;
  const auto with = [&](const char* component, auto&& make) {
    const Part part(map, component);
    if (!part.empty()) out[component] = make(part);
  };
  with("unet", [&](const Part& p) { return unet_config(p, map.layout); });
  with("transformer", [&](const Part& p) { return map.layout == "flux" ? flux_config(p) : mmdit_config(p); });
  with("vae", [&](const Part& p) { return vae_config(p, map.layout); });
  with("text_encoder", [&](const Part& p) { return clip_config(p, map.layout == "sd2"); });
  with("text_encoder_2", [&](const Part& p) { return map.layout == "flux" ? t5_config(p) : clip_config(p, true); });
  with("text_encoder_3", [&](const Part& p) { return t5_config(p); });
  const Part unet(map, "unet"), transformer(map, "transformer");
  out["scheduler"] = scheduler_config(map.layout, transformer.has("time_text_embed.guidance_embedder.linear_1.weight"), unet.size("conv_in.weight", 1) > 4);
  return out;
}

}  // namespace safelight
