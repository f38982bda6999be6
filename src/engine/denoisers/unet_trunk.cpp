#include "engine/denoisers/unet_trunk.h"

#include <ATen/ATen.h>

#include "common/base/error.h"

namespace safelight {
namespace {

const at::Tensor& require(const at::Tensor& t, const char* what) {
  if (!t.defined()) throw Error(ErrorCode::invalid_argument, std::string("this UNet needs ") + what + " as an input");
  return t;
}

}  // namespace

TransformerShape UnetTrunk::shape(std::size_t block) const {
  return {.width = config_.block_out_channels[block],
          .heads = config_.heads[block],
          .context = config_.cross_attention_dim,
          .layers = config_.transformer_layers[block],
          .groups = config_.norm_num_groups,
          .only_cross = config_.only_cross_attention[block],
          .linear_projection = config_.use_linear_projection};
}

UnetStage UnetTrunk::make_down(const ParameterScope& p, std::size_t i) const {
  const auto& channels = config_.block_out_channels;
  UnetStage stage{.path = p.path(), .resnets = {}, .attentions = {}, .resample = {}};
  for (int64_t j = 0; j < config_.layers_per_block; ++j) {
    const int64_t in = j == 0 ? channels[i == 0 ? 0 : i - 1] : channels[i];
    const auto index = static_cast<std::size_t>(j);
    stage.resnets.emplace_back(p / "resnets" / index, in, channels[i], time_width_, config_.norm_num_groups,
                               config_.norm_eps);
    if (config_.down_attention[i]) stage.attentions.emplace_back(p / "attentions" / index, shape(i));
  }
  if (i + 1 < channels.size()) stage.resample.emplace(p / "downsamplers.0.conv", channels[i], channels[i], 3, 2, 1);
  return stage;
}

UnetTrunk::UnetTrunk(const ParameterScope& p, const UnetConfig& config)
    : config_(config),
      time_width_(config.block_out_channels.front() * 4),
      conv_in_(p / "conv_in", config.in_channels, config.block_out_channels.front(), 3),
      time1_(p / "time_embedding.linear_1", config.block_out_channels.front(), time_width_),
      time2_(p / "time_embedding.linear_2", time_width_, time_width_) {
  if (config.time_cond_proj_dim > 0)
    guidance_.emplace(p / "time_embedding.cond_proj", config.time_cond_proj_dim, config.block_out_channels.front(), false);
  if (config.num_class_embeds > 0) classes_.emplace(p / "class_embedding", config.num_class_embeds, time_width_);
  if (config.text_time_embedding) {
    addition1_.emplace(p / "add_embedding.linear_1", config.projection_class_embeddings_input_dim, time_width_);
    addition2_.emplace(p / "add_embedding.linear_2", time_width_, time_width_);
  }
  const std::size_t blocks = config.block_out_channels.size();
  skip_channels_ = {config.block_out_channels.front()};
  for (std::size_t i = 0; i < blocks; ++i) {
    down_.push_back(make_down(p / "down_blocks" / i, i));
    skip_channels_.insert(skip_channels_.end(), down_[i].resnets.size() + (down_[i].resample ? 1 : 0), config.block_out_channels[i]);
  }
  const int64_t deepest = config.block_out_channels.back();
  for (std::size_t i = 0; i < 2; ++i)
    mid_resnets_.emplace_back(p / "mid_block" / "resnets" / i, deepest, deepest, time_width_, config.norm_num_groups,
                              config.norm_eps);
  TransformerShape mid = shape(blocks - 1);
  mid.only_cross = false;
  mid_attention_.emplace(p / "mid_block.attentions.0", mid);
}

std::vector<std::string> names_of(const std::vector<UnetStage>& stages) {
  std::vector<std::string> names;
  for (const UnetStage& stage : stages) {
    for (std::size_t j = 0; j < stage.resnets.size(); ++j) {
      names.push_back(stage.resnets[j].path());
      if (!stage.attentions.empty()) names.push_back(stage.attentions[j].path());
    }
    names.push_back(stage.path);
  }
  return names;
}

std::vector<std::string> UnetTrunk::block_names() const {
  std::vector<std::string> names = names_of(down_);
  names.insert(names.end(), {mid_resnets_[0].path(), mid_attention_->path(), mid_resnets_[1].path(), "mid_block"});
  return names;
}

UnetPass UnetTrunk::pass(const UnetInputs& in, const ForwardHooks& hooks) const {
  const int64_t batch = in.sample.size(0);
  const auto dtype = in.sample.scalar_type();
  at::Tensor t = sinusoidal_embedding(in.timesteps.expand({batch}), config_.block_out_channels.front(),
                                      config_.flip_sin_to_cos, config_.freq_shift)
                     .to(dtype);
  if (guidance_) t = t + (*guidance_)(require(in.guidance_embed, "a guidance embedding"));
  at::Tensor e = time2_(at::silu(time1_(t)));
  if (classes_) e = e + (*classes_)(require(in.class_labels, "a class label"));
  if (addition1_) {
    const at::Tensor& ids = require(in.time_ids, "time ids (sizes and crops)");
    const at::Tensor sizes = sinusoidal_embedding(ids.flatten(), config_.addition_time_embed_dim,
                                                  config_.flip_sin_to_cos, config_.freq_shift)
                                 .view({batch, -1})
                                 .to(dtype);
    const at::Tensor joined = at::cat({require(in.pooled_text, "a pooled text embedding"), sizes}, 1);
    e = e + (*addition2_)(at::silu((*addition1_)(joined)));
  }
  const int64_t stride = config_.attention_stride(), height = (in.sample.size(2) + stride - 1) / stride, width = (in.sample.size(3) + stride - 1) / stride;
  UnetPass pass{.time = at::silu(e), .text = in.text, .text_bias = {}, .finest_tokens = height * width, .hooks = hooks};
  if (in.text_mask.defined()) pass.text_bias = ((1 - in.text_mask.to(dtype)) * -10000.0).unsqueeze(1).unsqueeze(1);
  return pass;
}

at::Tensor UnetTrunk::descend(const at::Tensor& sample, const at::Tensor& hint, const UnetPass& pass, std::vector<at::Tensor>& skips, std::size_t wanted) const {
  at::Tensor x = conv_in_(sample);
  if (hint.defined()) x = x + hint;
  skips.push_back(x);
  for (const UnetStage& stage : down_) {
    for (std::size_t j = 0; j < stage.resnets.size(); ++j) {
      if (skips.size() == wanted) return x;
      x = stage.resnets[j].forward(x, pass);
      if (!stage.attentions.empty()) x = stage.attentions[j].forward(x, pass);
      skips.push_back(x);
    }
    if (skips.size() == wanted) return x;
    if (stage.resample) skips.push_back(x = (*stage.resample)(x));
    x = pass.hooks.block(stage.path, x);
  }
  if (skips.size() == wanted) return x;
  x = mid_resnets_[0].forward(x, pass);
  x = mid_attention_->forward(x, pass);
  return pass.hooks.block("mid_block", mid_resnets_[1].forward(x, pass));
}

}  // namespace safelight
