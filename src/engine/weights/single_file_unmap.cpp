// From a directory's names to those of the authors' single files: the rules of single_file_rules.h read backwards.
#include <algorithm>
#include <span>

#include "engine/weights/single_file_rules.h"

namespace safelight {

using namespace single_file;

namespace {

// Names on the way back. `top`: the highest number of the autoencoder's rising blocks; `last`: SD3's last block.
class Unmapper {
 public:
  Unmapper(const std::map<std::string, TensorShapes>& components, const std::string& layout) : components_(components), layout_(layout) {
    if (const auto unet = components.find("unet"); unet != components.end())
      while (unet->second.contains("down_blocks.0.resnets." + std::to_string(layers_) + ".conv1.weight")) ++layers_;
    if (const auto vae = components.find("vae"); vae != components.end())
      while (vae->second.contains("decoder.up_blocks." + std::to_string(top_ + 1) + ".resnets.0.conv1.weight")) ++top_;
    if (const auto t = components.find("transformer"); t != components.end())
      while (t->second.contains("transformer_blocks." + std::to_string(last_ + 1) + ".attn.to_q.weight")) ++last_;
  }

  struct Name {
    std::string key;
    Op op = Op::none;
    std::size_t part = 0, parts = 1;
  };

  std::optional<Name> name_of(const std::string& component, const std::string& key) const {
    if (component == "unet") return prefixed("model.diffusion_model.", unet(key));
    if (component == "transformer") return prefixed("model.diffusion_model.", layout_ == "flux" ? by_tables(kFlux, key) : mmdit(key));
    if (component == "vae") return prefixed(layout_ == "flux" ? "vae." : layout_ == "autoencoder" ? "" : "first_stage_model.", vae(key));
    return text(component, key);
  }

 private:
  static std::optional<Name> prefixed(const std::string& prefix, std::optional<Name> name) {
    if (name) name->key = prefix + name->key;
    return name;
  }

  static std::optional<Name> by_tables(std::span<const Rule> rules, const std::string& key) {
    for (const Fusion& f : kFusions)
      for (std::size_t i = 0; i < f.to.size() && f.to[i]; ++i)
        if (const auto m = matched(f.to[i], key); m && belongs(f, rules)) return Name{filled(f.from, *m), Op::rows, i, f.to[3] ? 4U : 3U};
    for (const Rule& r : rules)
      if (const auto m = matched(r.to, key)) return Name{filled(r.from, *m), r.op};
    return std::nullopt;
  }
  // Fusions of FLUX and SD3 share the directory's names; their original ones begin like the rules of their table.
  static bool belongs(const Fusion& f, std::span<const Rule> rules) {
    const std::string_view stem = std::string_view(f.from).substr(0, std::string_view(f.from).find('.'));
    return std::any_of(rules.begin(), rules.end(), [&](const Rule& r) { return std::string_view(r.from).starts_with(stem); });
  }

  std::optional<Name> mmdit(const std::string& key) const {
    auto name = by_tables(kMmdit, key);
    if (name && key.starts_with("transformer_blocks." + std::to_string(last_) + ".norm1_context.")) name->op = Op::swap_halves;
    return name;
  }

  std::optional<Name> unet(const std::string& key) const {
    if (key == "class_embedding.weight") return Name{"label_emb.weight"};
    const std::size_t dot = key.rfind('.');
    if (dot == std::string::npos) return std::nullopt;
    // The last word is the parameter; the module's name may end in one of its own as well (conv_in, to_out.0).
    const std::vector<std::string> names = original_unet_names(key.substr(0, dot), layers_);
    if (names.empty()) return std::nullopt;
    const auto m = matched("up_blocks.#.upsamplers.0.conv", key.substr(0, dot));
    const bool attends = m && components_.at("unet").contains("up_blocks." + m->numbers[0] + ".attentions.0.proj_in.weight");
    return Name{(attends ? names.back() : names.front()) + key.substr(dot)};
  }

  std::optional<Name> vae(const std::string& key) const {
    for (const std::string half : {"encoder.", "decoder."}) {
      if (!key.starts_with(half)) continue;
      for (const Rule& r : kVae) {
        auto m = matched(r.to, key.substr(half.size()));
        if (!m) continue;
        if (std::string_view(r.to).starts_with("up_blocks.#")) m->numbers[0] = std::to_string(top_ - number(*m, 0));
        return Name{half + filled(r.from, *m), r.op};
      }
    }
    if (key.starts_with("quant_conv.") || key.starts_with("post_quant_conv.")) return Name{key};
    return std::nullopt;
  }

  std::optional<Name> text(const std::string& component, const std::string& key) const {
    if (key.ends_with("position_ids")) return std::nullopt;
    const bool modern = layout_ == "sd3" || layout_ == "flux", second = component == "text_encoder_2";
    if (modern) return Name{std::string("text_encoders.") + (component == "text_encoder" ? "clip_l" : second && layout_ == "sd3" ? "clip_g" : "t5xxl") + ".transformer." + key};
    if (layout_ == "sd1") return Name{"cond_stage_model.transformer." + key};
    if (layout_ == "sd2") return prefixed("cond_stage_model.model.", by_tables(kOpenClip, key));
    if (!second) return Name{"conditioner.embedders.0.transformer." + key};
    return prefixed(layout_ == "sdxl" ? "conditioner.embedders.1.model." : "conditioner.embedders.0.model.", by_tables(kOpenClip, key));
  }

  const std::map<std::string, TensorShapes>& components_;
  std::string layout_;
  int64_t layers_ = 0, top_ = -1, last_ = -1;
};

}  // namespace

namespace {

// The authors' files of the second generation have one more layer at the end of the text encoder, which is never run and which
// readers drop: the last one stands in for it.
void add_unused_layer(std::map<std::string, OriginalTensor>& out) {
  constexpr const char* kLayer = "cond_stage_model.model.transformer.resblocks.#.*";
  int64_t last = -1;
  for (const auto& [key, t] : out)
    if (const auto m = matched(kLayer, key)) last = std::max(last, number(*m, 0));
  std::vector<OriginalTensor> copies;
  for (const auto& [key, t] : out) {
    auto m = matched(kLayer, key);
    if (!m || number(*m, 0) != last) continue;
    m->numbers[0] = std::to_string(last + 1);
    copies.push_back(t);
    copies.back().key = filled(kLayer, *m);
  }
  for (OriginalTensor& t : copies) out[t.key] = std::move(t);
}

}  // namespace

std::vector<OriginalTensor> unmap_single_file(const std::map<std::string, TensorShapes>& components, const std::string& layout, std::vector<std::string>& left_out) {
  const Unmapper names(components, layout);
  std::map<std::string, OriginalTensor> out;
  for (const auto& [component, shapes] : components)
    for (const auto& [key, shape] : shapes) {
      const auto name = names.name_of(component, key);
      if (!name) {
        left_out.push_back(component + "." + key);
        continue;
      }
      OriginalTensor& t = out[name->key];
      t.key = name->key;
      t.op = name->op;
      if (t.pieces.size() < name->parts) t.pieces.resize(name->parts);
      t.pieces[name->part] = {component, key};
    }
  if (layout == "sd2") add_unused_layer(out);
  std::vector<OriginalTensor> list;
  for (auto& [key, t] : out) {
    const bool whole = std::none_of(t.pieces.begin(), t.pieces.end(), [](const auto& p) { return p.key.empty(); });
    if (whole) list.push_back(std::move(t));
    else
      for (const auto& p : t.pieces)
        if (!p.key.empty()) left_out.push_back(p.component + "." + p.key);
  }
  return list;
}

}  // namespace safelight
