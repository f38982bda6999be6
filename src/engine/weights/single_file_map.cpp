#include "engine/weights/single_file_map.h"

#include <algorithm>
#include <functional>
#include <set>
#include <span>

#include "common/base/error.h"
#include "engine/weights/single_file_rules.h"

namespace safelight {
namespace {

using namespace single_file;

class Mapper {
 public:
  Mapper(const TensorShapes& shapes, SingleFileMap& out) : shapes_(shapes), out_(out) {}

  // The part of the file under `prefix`, by one of the functions below. Names that it does not know stay open.
  void part(const std::string& prefix, const std::string& component, bool (Mapper::*one)(const std::string&)) {
    prefix_ = prefix;
    component_ = component;
    for (const auto& [key, shape] : shapes_)
      if (key.starts_with(prefix) && !done_.contains(key) && (this->*one)(key.substr(prefix.size()))) done_.insert(key);
  }
  void ignore(const std::function<bool(const std::string&)>& useless) {
    for (const auto& [key, shape] : shapes_)
      if (!done_.contains(key) && useless(key)) {
        out_.ignored.push_back(key);
        done_.insert(key);
      }
  }
  std::vector<std::string> open() const {
    std::vector<std::string> left;
    for (const auto& [key, shape] : shapes_)
      if (!done_.contains(key)) left.push_back(key);
    return left;
  }

  bool unet(const std::string& key) {
    if (by_rules(kUnetEnds, key)) return true;
    if (const auto m = matched("input_blocks.#.#.*", key)) return down(*m, key);
    if (const auto m = matched("middle_block.#.*", key)) {
      const int64_t i = number(*m, 0);
      return i == 1 ? attention("mid_block.attentions.0.", m->rest, key) : resnet("mid_block.resnets." + std::to_string(i / 2) + ".", m->rest, key);
    }
    const auto m = matched("output_blocks.#.#.*", key);
    return m && up(*m, key);
  }
  bool vae(const std::string& key) {
    for (const char* half : {"encoder.", "decoder."})
      if (key.starts_with(half)) return by_rules(kVae, key.substr(8), half);
    return (key.starts_with("quant_conv.") || key.starts_with("post_quant_conv.")) && put(key, key, Op::none);
  }
  bool same(const std::string& key) { return !key.ends_with("position_ids") && !key.ends_with("logit_scale") && key != "encoder.embed_tokens.weight" && put(key, key, Op::none); }
  bool open_clip(const std::string& key) {
    // The second generation reads the layer before the last: the last is never run, nor its projection.
    if (drops_last_layer_) {
      const auto m = matched("transformer.resblocks.#.*", key);
      if (key == "text_projection" || (m && number(*m, 0) == last_layer_)) return false;
    }
    return by_fusions(key) || by_rules(kOpenClip, key);
  }
  bool mmdit(const std::string& key) {
    if (by_fusions(key)) return true;
    const auto last = matched("joint_blocks.#.context_block.adaLN_modulation.1.*", key);
    if (last && number(*last, 0) == last_layer_) return put(filled("transformer_blocks.#.norm1_context.linear.*", *last), key, Op::swap_halves);
    return by_rules(kMmdit, key);
  }
  bool flux(const std::string& key) { return by_fusions(key) || by_rules(kFlux, key); }

  // Facts that names alone do not tell.
  void set_unet_depth(const std::string& prefix) {
    while (!shapes_.contains(prefix + "input_blocks." + std::to_string(layers_ + 1) + ".0.op.weight") && layers_ < 100) ++layers_;
  }
  void set_vae_depth(const std::string& prefix) {
    for (const auto& [key, shape] : shapes_)
      if (key.starts_with(prefix))
        if (const auto m = matched("decoder.up.#.*", std::string_view(key).substr(prefix.size()))) vae_top_ = std::max(vae_top_, number(*m, 0));
  }
  void keep_all_layers() { drops_last_layer_ = false; }
  void set_last_layer(const std::string& prefix, const char* pattern, bool drops) {
    drops_last_layer_ = drops;
    last_layer_ = -1;
    for (const auto& [key, shape] : shapes_)
      if (key.starts_with(prefix))
        if (const auto m = matched(pattern, std::string_view(key).substr(prefix.size()))) last_layer_ = std::max(last_layer_, number(*m, 0));
  }

 private:
  const std::vector<int64_t>& shape_of(const std::string& key) const { return shapes_.at(prefix_ + key); }

  bool put(const std::string& target, const std::string& key, Op op, int64_t first = 0, int64_t rows = 0) {
    std::vector<int64_t> shape = shape_of(key);
    if (op == Op::reshape)
      while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
    if (op == Op::transpose) std::reverse(shape.begin(), shape.end());
    if (op == Op::rows) shape.front() = rows;
    out_.tensors.push_back({component_, target, prefix_ + key, op, first, rows, shape});
    return true;
  }

  bool by_rules(std::span<const Rule> rules, const std::string& key, const std::string& half = "") {
    for (const Rule& r : rules) {
      auto m = matched(r.from, key);
      if (!m) continue;
      if (!half.empty() && std::string_view(r.from).starts_with("up.#")) m->numbers[0] = std::to_string(vae_top_ - number(*m, 0));  // counted from the other end
      return put(half + filled(r.to, *m), half + key, r.op);
    }
    return false;
  }

  bool by_fusions(const std::string& key) {
    for (const Fusion& f : kFusions) {
      const auto m = matched(f.from, key);
      if (!m || shape_of(key).empty()) continue;
      const int64_t total = shape_of(key).front(), parts = f.to[3] ? 4 : 3;
      int64_t each = total / parts;
      if (f.wide_last) {
        const auto weight = shapes_.find(prefix_ + key.substr(0, key.size() - m->rest.size()) + "weight");
        if (weight == shapes_.end() || weight->second.size() != 2) return false;
        each = weight->second.back();
      }
      if (each * (parts - 1) >= total || (!f.wide_last && each * parts != total)) return false;
      for (int64_t i = 0; i < parts; ++i)
        put(filled(f.to[static_cast<std::size_t>(i)], *m), key, Op::rows, i * each, i + 1 == parts ? total - i * each : each);
      return true;
    }
    return false;
  }

  bool resnet(const std::string& target, const std::string& rest, const std::string& key) {
    for (const Rule& r : kResnet)
      if (const auto m = matched(r.from, rest)) return put(target + filled(r.to, *m), key, Op::none);
    return false;
  }
  bool attention(const std::string& target, const std::string& rest, const std::string& key) { return put(target + rest, key, Op::none); }

  bool down(const Match& m, const std::string& key) {
    const int64_t index = number(m, 0) - 1, block = index / (layers_ + 1), layer = index % (layers_ + 1), kind = number(m, 1);
    const std::string b = "down_blocks." + std::to_string(block) + ".", l = std::to_string(layer) + ".";
    if (m.rest.starts_with("op.")) return put(b + "downsamplers.0.conv." + m.rest.substr(3), key, Op::none);
    return kind == 0 ? resnet(b + "resnets." + l, m.rest, key) : attention(b + "attentions." + l, m.rest, key);
  }
  bool up(const Match& m, const std::string& key) {
    const int64_t block = number(m, 0) / (layers_ + 1), layer = number(m, 0) % (layers_ + 1), kind = number(m, 1);
    const std::string b = "up_blocks." + std::to_string(block) + ".", l = std::to_string(layer) + ".";
    if (m.rest.starts_with("conv.")) return put(b + "upsamplers.0." + m.rest, key, Op::none);
    return kind == 0 ? resnet(b + "resnets." + l, m.rest, key) : attention(b + "attentions." + l, m.rest, key);
  }

  const TensorShapes& shapes_;
  SingleFileMap& out_;
  std::set<std::string> done_;
  std::string prefix_, component_;
  int64_t layers_ = 1, vae_top_ = 0, last_layer_ = -1;
  bool drops_last_layer_ = false;
};

struct Layout {
  std::string name, denoiser_prefix;
};

std::string seen(const TensorShapes& shapes) {
  std::string out;
  std::size_t n = 0;
  for (const auto& [key, shape] : shapes)
    if (n++ < 5) out += (out.empty() ? "" : ", ") + key.substr(0, 100);
  return std::to_string(shapes.size()) + " tensors: " + out + (shapes.size() > 5 ? ", ..." : "");
}

Layout layout_of(const TensorShapes& shapes, const std::string& where) {
  std::vector<Layout> found;
  for (const std::string prefix : {"model.diffusion_model.", ""}) {
    const auto has = [&](const char* key) { return shapes.contains(prefix + key); };
    if (has("double_blocks.0.img_attn.qkv.weight")) found.push_back({"flux", prefix});
    if (has("joint_blocks.0.x_block.attn.qkv.weight")) found.push_back({"sd3", prefix});
    if (!has("input_blocks.0.0.weight")) continue;
    int64_t context = 0;
    for (const auto& [key, shape] : shapes)
      if (key.starts_with(prefix) && key.ends_with("transformer_blocks.0.attn2.to_k.weight") && shape.size() > 1) context = shape[1];
    const auto holds = [&](const char* start) { const auto it = shapes.lower_bound(start); return it != shapes.end() && it->first.starts_with(start); };
    if (has("label_emb.0.0.weight")) found.push_back({holds("conditioner.embedders.0.model.") || (context == 1280 && !holds("conditioner.")) ? "sdxl-refiner" : "sdxl", prefix});
    else found.push_back({holds("cond_stage_model.model.") || (context == 1024 && !holds("cond_stage_model.")) ? "sd2" : "sd1", prefix});
  }
  if (found.empty() && shapes.contains("encoder.conv_in.weight") && shapes.contains("decoder.mid.block_1.conv1.weight")) found.push_back({"autoencoder", ""});
  if (found.size() == 1) return found.front();
  throw Error(ErrorCode::unsupported, where + " is a checkpoint of " + (found.empty() ? "no known layout" : "more than one layout") + " (" + seen(shapes) +
                                          "); known: Stable Diffusion 1, 2, XL, XL refiner and 3, FLUX, autoencoders of these");
}

bool training_state(const std::string& key) {
  for (const char* start : {"model_ema.", "betas", "alphas_cumprod", "sqrt_", "log_one_minus", "posterior_", "denoiser.", "logvar", "lvlb_weights", "first_stage_model.loss.", "loss."})
    if (key.starts_with(start)) return true;
  return key.ends_with("position_ids") || key.ends_with("logit_scale") || key.ends_with("encoder.embed_tokens.weight");
}

}  // namespace

SingleFileMap map_single_file(const TensorShapes& shapes, const std::string& where) {
  const Layout layout = layout_of(shapes, where);
  SingleFileMap out{.layout = layout.name, .tensors = {}, .ignored = {}};
  Mapper m(shapes, out);
  m.ignore(training_state);
  const std::string& d = layout.denoiser_prefix;
  const std::string vae = layout.name == "autoencoder" ? "" : "first_stage_model.";
  if (layout.name.starts_with("sd") && layout.name != "sd3") {
    m.set_unet_depth(d);
    m.part(d, "unet", &Mapper::unet);
  } else if (layout.name == "sd3") {
    m.set_last_layer(d, "joint_blocks.#.*", false);
    m.part(d, "transformer", &Mapper::mmdit);
  } else if (layout.name == "flux") {
    m.part(d, "transformer", &Mapper::flux);
  }
  for (const std::string& prefix : {vae, std::string("vae.")}) {
    m.set_vae_depth(prefix);
    m.part(prefix, "vae", &Mapper::vae);
  }
  m.part("cond_stage_model.transformer.", "text_encoder", &Mapper::same);
  m.set_last_layer("cond_stage_model.model.", "transformer.resblocks.#.*", true);
  m.part("cond_stage_model.model.", "text_encoder", &Mapper::open_clip);
  m.ignore([](const std::string& key) { return key.starts_with("cond_stage_model.model."); });
  m.keep_all_layers();
  m.part("conditioner.embedders.0.transformer.", "text_encoder", &Mapper::same);
  m.part("conditioner.embedders.0.model.", "text_encoder_2", &Mapper::open_clip);
  m.part("conditioner.embedders.1.model.", "text_encoder_2", &Mapper::open_clip);
  m.part("text_encoders.clip_l.transformer.", "text_encoder", &Mapper::same);
  m.part("text_encoders.clip_g.transformer.", "text_encoder_2", &Mapper::same);
  m.part("text_encoders.t5xxl.transformer.", layout.name == "flux" ? "text_encoder_2" : "text_encoder_3", &Mapper::same);
  if (const std::vector<std::string> left = m.open(); !left.empty()) {
    std::string names;
    for (std::size_t i = 0; i < left.size() && i < 10; ++i) names += (i ? ", " : "") + left[i].substr(0, 120);
    throw Error(ErrorCode::corrupt_file, where + " looks like " + layout.name + " but " + std::to_string(left.size()) + " of its tensors do not belong there: " + names);
  }
  std::set<std::pair<std::string, std::string>> names;
  for (const MappedTensor& t : out.tensors)
    if (!names.emplace(t.component, t.key).second)
      throw Error(ErrorCode::corrupt_file, where + " holds the " + t.component + "'s '" + t.key + "' twice, the second time as '" + t.source + "'");
  // SD3's first text encoder is published without its projection, which is then the identity.
  const auto of = [&](const char* key) { return std::find_if(out.tensors.begin(), out.tensors.end(), [&](const MappedTensor& t) { return t.component == "text_encoder" && t.key == key; }); };
  if (const auto norm = of("text_model.final_layer_norm.weight"); layout.name == "sd3" && norm != out.tensors.end() && of("text_projection.weight") == out.tensors.end())
    out.tensors.push_back({"text_encoder", "text_projection.weight", "", Op::identity, 0, 0, {norm->shape.front(), norm->shape.front()}});
  return out;
}

std::vector<std::string> original_unet_names(const std::string& module, int64_t layers) {
  const auto name = [](const char* side, int64_t index, int64_t kind, const std::string& rest) { return std::string(side) + std::to_string(index) + "." + std::to_string(kind) + "." + rest; };
  const auto stem = [](const char* from) { return std::string(from).substr(0, std::string_view(from).size() - 2); };
  const auto inner = [&](const std::string& rest) {
    for (const Rule& r : kResnet)
      if (rest + ".*" == r.to) return stem(r.from);
    return rest;
  };
  for (const Rule& r : kUnetEnds)
    if (module + ".*" == r.to) return {stem(r.from)};
  if (const auto m = matched("down_blocks.#.attentions.#.*", module)) return {name("input_blocks.", 1 + number(*m, 0) * (layers + 1) + number(*m, 1), 1, m->rest)};
  if (const auto m = matched("down_blocks.#.resnets.#.*", module)) return {name("input_blocks.", 1 + number(*m, 0) * (layers + 1) + number(*m, 1), 0, inner(m->rest))};
  if (const auto m = matched("down_blocks.#.downsamplers.0.conv", module)) return {name("input_blocks.", (number(*m, 0) + 1) * (layers + 1), 0, "op")};
  if (const auto m = matched("mid_block.attentions.0.*", module)) return {"middle_block.1." + m->rest};
  if (const auto m = matched("mid_block.resnets.#.*", module)) return {"middle_block." + std::to_string(2 * number(*m, 0)) + "." + inner(m->rest)};
  if (const auto m = matched("up_blocks.#.attentions.#.*", module)) return {name("output_blocks.", number(*m, 0) * (layers + 1) + number(*m, 1), 1, m->rest)};
  if (const auto m = matched("up_blocks.#.resnets.#.*", module)) return {name("output_blocks.", number(*m, 0) * (layers + 1) + number(*m, 1), 0, inner(m->rest))};
  if (const auto m = matched("up_blocks.#.upsamplers.0.conv", module))
    return {name("output_blocks.", number(*m, 0) * (layers + 1) + layers, 1, "conv"), name("output_blocks.", number(*m, 0) * (layers + 1) + layers, 2, "conv")};
  return {};
}

}  // namespace safelight
