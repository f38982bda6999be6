// The tables behind single-file maps, in both directions. Included by single_file_map.cpp and single_file_unmap.cpp alone.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/single_file_map.h"

namespace safelight::single_file {

using Op = MappedTensor::Op;

// "#" stands for a number, a "*" at the end for the rest of the name. `to` says them again in order ("#" once or more).
struct Rule {
  const char* from;
  const char* to;
  Op op = Op::none;
};

struct Match {
  std::vector<std::string> numbers;
  std::string rest;
};

inline std::optional<Match> matched(std::string_view pattern, std::string_view key) {
  Match out;
  std::size_t k = 0;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    if (pattern[p] == '*') {
      out.rest = key.substr(k);
      return out;
    }
    if (pattern[p] == '#') {
      const std::size_t begin = k;
      while (k < key.size() && key[k] >= '0' && key[k] <= '9') ++k;
      if (k == begin) return std::nullopt;
      out.numbers.emplace_back(key.substr(begin, k - begin));
    } else if (k < key.size() && key[k] == pattern[p]) {
      ++k;
    } else {
      return std::nullopt;
    }
  }
  if (k != key.size()) return std::nullopt;
  return out;
}

inline std::string filled(std::string_view pattern, const Match& m) {
  std::string out;
  std::size_t number = 0;
  for (const char c : pattern) {
    if (c == '#') out += m.numbers[number++];
    else if (c == '*') out += m.rest;
    else out += c;
  }
  return out;
}

inline constexpr Rule kResnet[] = {{"in_layers.0.*", "norm1.*"}, {"in_layers.2.*", "conv1.*"}, {"emb_layers.1.*", "time_emb_proj.*"},
                            {"out_layers.0.*", "norm2.*"}, {"out_layers.3.*", "conv2.*"}, {"skip_connection.*", "conv_shortcut.*"}};
inline constexpr Rule kUnetEnds[] = {{"time_embed.0.*", "time_embedding.linear_1.*"}, {"time_embed.2.*", "time_embedding.linear_2.*"},
                              {"time_embed.cond_proj.*", "time_embedding.cond_proj.*"}, {"label_emb.0.0.*", "add_embedding.linear_1.*"},
                              {"label_emb.0.2.*", "add_embedding.linear_2.*"}, {"label_emb.weight", "class_embedding.weight"},
                              {"input_blocks.0.0.*", "conv_in.*"}, {"out.0.*", "conv_norm_out.*"}, {"out.2.*", "conv_out.*"}};
inline constexpr Rule kVae[] = {{"conv_in.*", "conv_in.*"}, {"conv_out.*", "conv_out.*"}, {"norm_out.*", "conv_norm_out.*"},
                         {"mid.attn_1.norm.*", "mid_block.attentions.0.group_norm.*"},
                         {"mid.attn_1.q.weight", "mid_block.attentions.0.to_q.weight", Op::reshape}, {"mid.attn_1.q.bias", "mid_block.attentions.0.to_q.bias"},
                         {"mid.attn_1.k.weight", "mid_block.attentions.0.to_k.weight", Op::reshape}, {"mid.attn_1.k.bias", "mid_block.attentions.0.to_k.bias"},
                         {"mid.attn_1.v.weight", "mid_block.attentions.0.to_v.weight", Op::reshape}, {"mid.attn_1.v.bias", "mid_block.attentions.0.to_v.bias"},
                         {"mid.attn_1.proj_out.weight", "mid_block.attentions.0.to_out.0.weight", Op::reshape},
                         {"mid.attn_1.proj_out.bias", "mid_block.attentions.0.to_out.0.bias"},
                         {"mid.block_1.nin_shortcut.*", "mid_block.resnets.0.conv_shortcut.*"}, {"mid.block_2.nin_shortcut.*", "mid_block.resnets.1.conv_shortcut.*"},
                         {"mid.block_1.*", "mid_block.resnets.0.*"}, {"mid.block_2.*", "mid_block.resnets.1.*"},
                         {"down.#.block.#.nin_shortcut.*", "down_blocks.#.resnets.#.conv_shortcut.*"}, {"down.#.block.#.*", "down_blocks.#.resnets.#.*"},
                         {"down.#.downsample.conv.*", "down_blocks.#.downsamplers.0.conv.*"},
                         {"up.#.block.#.nin_shortcut.*", "up_blocks.#.resnets.#.conv_shortcut.*"}, {"up.#.block.#.*", "up_blocks.#.resnets.#.*"},
                         {"up.#.upsample.conv.*", "up_blocks.#.upsamplers.0.conv.*"}};
inline constexpr Rule kOpenClip[] = {{"positional_embedding", "text_model.embeddings.position_embedding.weight"},
                              {"token_embedding.weight", "text_model.embeddings.token_embedding.weight"}, {"ln_final.*", "text_model.final_layer_norm.*"},
                              {"text_projection", "text_projection.weight", Op::transpose}, {"transformer.resblocks.#.attn.out_proj.*", "text_model.encoder.layers.#.self_attn.out_proj.*"},
                              {"transformer.resblocks.#.ln_1.*", "text_model.encoder.layers.#.layer_norm1.*"}, {"transformer.resblocks.#.ln_2.*", "text_model.encoder.layers.#.layer_norm2.*"},
                              {"transformer.resblocks.#.mlp.c_fc.*", "text_model.encoder.layers.#.mlp.fc1.*"}, {"transformer.resblocks.#.mlp.c_proj.*", "text_model.encoder.layers.#.mlp.fc2.*"}};
inline constexpr Rule kMmdit[] = {{"pos_embed", "pos_embed.pos_embed"}, {"x_embedder.proj.*", "pos_embed.proj.*"}, {"context_embedder.*", "context_embedder.*"},
                           {"t_embedder.mlp.0.*", "time_text_embed.timestep_embedder.linear_1.*"}, {"t_embedder.mlp.2.*", "time_text_embed.timestep_embedder.linear_2.*"},
                           {"y_embedder.mlp.0.*", "time_text_embed.text_embedder.linear_1.*"}, {"y_embedder.mlp.2.*", "time_text_embed.text_embedder.linear_2.*"},
                           {"joint_blocks.#.x_block.attn.proj.*", "transformer_blocks.#.attn.to_out.0.*"}, {"joint_blocks.#.x_block.attn2.proj.*", "transformer_blocks.#.attn2.to_out.0.*"},
                           {"joint_blocks.#.context_block.attn.proj.*", "transformer_blocks.#.attn.to_add_out.*"},
                           {"joint_blocks.#.x_block.attn.ln_q.*", "transformer_blocks.#.attn.norm_q.*"}, {"joint_blocks.#.x_block.attn.ln_k.*", "transformer_blocks.#.attn.norm_k.*"},
                           {"joint_blocks.#.x_block.attn2.ln_q.*", "transformer_blocks.#.attn2.norm_q.*"}, {"joint_blocks.#.x_block.attn2.ln_k.*", "transformer_blocks.#.attn2.norm_k.*"},
                           {"joint_blocks.#.context_block.attn.ln_q.*", "transformer_blocks.#.attn.norm_added_q.*"}, {"joint_blocks.#.context_block.attn.ln_k.*", "transformer_blocks.#.attn.norm_added_k.*"},
                           {"joint_blocks.#.x_block.adaLN_modulation.1.*", "transformer_blocks.#.norm1.linear.*"}, {"joint_blocks.#.context_block.adaLN_modulation.1.*", "transformer_blocks.#.norm1_context.linear.*"},
                           {"joint_blocks.#.x_block.mlp.fc1.*", "transformer_blocks.#.ff.net.0.proj.*"}, {"joint_blocks.#.x_block.mlp.fc2.*", "transformer_blocks.#.ff.net.2.*"},
                           {"joint_blocks.#.context_block.mlp.fc1.*", "transformer_blocks.#.ff_context.net.0.proj.*"}, {"joint_blocks.#.context_block.mlp.fc2.*", "transformer_blocks.#.ff_context.net.2.*"},
                           {"final_layer.linear.*", "proj_out.*"}, {"final_layer.adaLN_modulation.1.*", "norm_out.linear.*", Op::swap_halves}};
inline constexpr Rule kFlux[] = {{"time_in.in_layer.*", "time_text_embed.timestep_embedder.linear_1.*"}, {"time_in.out_layer.*", "time_text_embed.timestep_embedder.linear_2.*"},
                          {"vector_in.in_layer.*", "time_text_embed.text_embedder.linear_1.*"}, {"vector_in.out_layer.*", "time_text_embed.text_embedder.linear_2.*"},
                          {"guidance_in.in_layer.*", "time_text_embed.guidance_embedder.linear_1.*"}, {"guidance_in.out_layer.*", "time_text_embed.guidance_embedder.linear_2.*"},
                          {"txt_in.*", "context_embedder.*"}, {"img_in.*", "x_embedder.*"},
                          {"double_blocks.#.img_mod.lin.*", "transformer_blocks.#.norm1.linear.*"}, {"double_blocks.#.txt_mod.lin.*", "transformer_blocks.#.norm1_context.linear.*"},
                          {"double_blocks.#.img_attn.norm.query_norm.scale", "transformer_blocks.#.attn.norm_q.weight"}, {"double_blocks.#.img_attn.norm.key_norm.scale", "transformer_blocks.#.attn.norm_k.weight"},
                          {"double_blocks.#.txt_attn.norm.query_norm.scale", "transformer_blocks.#.attn.norm_added_q.weight"}, {"double_blocks.#.txt_attn.norm.key_norm.scale", "transformer_blocks.#.attn.norm_added_k.weight"},
                          {"double_blocks.#.img_attn.proj.*", "transformer_blocks.#.attn.to_out.0.*"}, {"double_blocks.#.txt_attn.proj.*", "transformer_blocks.#.attn.to_add_out.*"},
                          {"double_blocks.#.img_mlp.0.*", "transformer_blocks.#.ff.net.0.proj.*"}, {"double_blocks.#.img_mlp.2.*", "transformer_blocks.#.ff.net.2.*"},
                          {"double_blocks.#.txt_mlp.0.*", "transformer_blocks.#.ff_context.net.0.proj.*"}, {"double_blocks.#.txt_mlp.2.*", "transformer_blocks.#.ff_context.net.2.*"},
                          {"single_blocks.#.modulation.lin.*", "single_transformer_blocks.#.norm.linear.*"}, {"single_blocks.#.linear2.*", "single_transformer_blocks.#.proj_out.*"},
                          {"single_blocks.#.norm.query_norm.scale", "single_transformer_blocks.#.attn.norm_q.weight"}, {"single_blocks.#.norm.key_norm.scale", "single_transformer_blocks.#.attn.norm_k.weight"},
                          {"final_layer.linear.*", "proj_out.*"}, {"final_layer.adaLN_modulation.1.*", "norm_out.linear.*", Op::swap_halves}};

// Fused tensors: the parts' names in the order of their rows. All equal, except that with `wide_last` each part but the last has
// as many rows as the layer's width.
struct Fusion {
  const char* from;
  std::array<const char*, 4> to;
  bool wide_last = false;
};
inline constexpr Fusion kFusions[] = {
    {"joint_blocks.#.x_block.attn.qkv.*", {"transformer_blocks.#.attn.to_q.*", "transformer_blocks.#.attn.to_k.*", "transformer_blocks.#.attn.to_v.*", nullptr}},
    {"joint_blocks.#.x_block.attn2.qkv.*", {"transformer_blocks.#.attn2.to_q.*", "transformer_blocks.#.attn2.to_k.*", "transformer_blocks.#.attn2.to_v.*", nullptr}},
    {"joint_blocks.#.context_block.attn.qkv.*", {"transformer_blocks.#.attn.add_q_proj.*", "transformer_blocks.#.attn.add_k_proj.*", "transformer_blocks.#.attn.add_v_proj.*", nullptr}},
    {"double_blocks.#.img_attn.qkv.*", {"transformer_blocks.#.attn.to_q.*", "transformer_blocks.#.attn.to_k.*", "transformer_blocks.#.attn.to_v.*", nullptr}},
    {"double_blocks.#.txt_attn.qkv.*", {"transformer_blocks.#.attn.add_q_proj.*", "transformer_blocks.#.attn.add_k_proj.*", "transformer_blocks.#.attn.add_v_proj.*", nullptr}},
    {"single_blocks.#.linear1.*", {"single_transformer_blocks.#.attn.to_q.*", "single_transformer_blocks.#.attn.to_k.*", "single_transformer_blocks.#.attn.to_v.*", "single_transformer_blocks.#.proj_mlp.*"}, true},
    {"transformer.resblocks.#.attn.in_proj_*", {"text_model.encoder.layers.#.self_attn.q_proj.*", "text_model.encoder.layers.#.self_attn.k_proj.*", "text_model.encoder.layers.#.self_attn.v_proj.*", nullptr}}};

inline int64_t number(const Match& m, std::size_t i) { return std::stoll(m.numbers[i].size() > 6 ? "999999" : m.numbers[i]); }

}  // namespace safelight::single_file
