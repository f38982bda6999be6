#include "engine/weights/lora.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/base/error.h"
#include "engine/weights/single_file_map.h"

namespace safelight {
namespace {

// A weight of the model that an adapter's module stands for, or some rows of a fused one.
struct Target {
  std::string component, key;
  int64_t first_row = 0, rows = 0;
};

using Targets = std::map<std::string, std::vector<Target>>;  // by the module's name as adapters write it

// Prefixes that adapters put before a component's modules.
struct Prefixes {
  const char* component;
  std::vector<const char*> dotted, underscored;
};
const std::array<Prefixes, 5>& prefixes() {
  static const std::array<Prefixes, 5> all = {{{"unet", {"unet.", "", "base_model.model."}, {"lora_unet_"}},
                                              {"transformer", {"transformer.", "", "base_model.model.", "diffusion_model."}, {"lora_unet_", "lora_transformer_"}},
                                              {"text_encoder", {"text_encoder."}, {"lora_te_", "lora_te1_"}},
                                              {"text_encoder_2", {"text_encoder_2."}, {"lora_te2_"}},
                                              {"text_encoder_3", {"text_encoder_3."}, {"lora_te3_"}}}};
  return all;
}

std::string underscored(std::string s) {
  std::replace(s.begin(), s.end(), '.', '_');
  return s;
}

// Original names of the modules of FLUX and SD3, whose files fuse queries, keys and values: (original, the directory's modules
// that share its rows in order).
std::vector<std::pair<std::string, std::vector<std::string>>> fused_modules(const WeightSource::Shapes& shapes) {
  std::vector<std::pair<std::string, std::vector<std::string>>> out;
  const auto has = [&](const std::string& module) { return shapes.contains(module + ".weight"); };
  const auto add = [&](const std::string& original, const std::vector<std::string>& modules) {
    if (std::all_of(modules.begin(), modules.end(), has)) out.emplace_back(original, modules);
  };
  for (int i = 0; has("transformer_blocks." + std::to_string(i) + ".attn.to_q"); ++i) {
    const std::string b = "transformer_blocks." + std::to_string(i) + ".", f = "double_blocks." + std::to_string(i) + ".", j = "joint_blocks." + std::to_string(i) + ".";
    const std::vector<std::string> image = {b + "attn.to_q", b + "attn.to_k", b + "attn.to_v"}, text = {b + "attn.add_q_proj", b + "attn.add_k_proj", b + "attn.add_v_proj"};
    for (const auto& [original, modules] : std::initializer_list<std::pair<std::string, std::vector<std::string>>>{
             {f + "img_attn.qkv", image}, {f + "txt_attn.qkv", text}, {f + "img_attn.proj", {b + "attn.to_out.0"}}, {f + "txt_attn.proj", {b + "attn.to_add_out"}},
             {f + "img_mlp.0", {b + "ff.net.0.proj"}}, {f + "img_mlp.2", {b + "ff.net.2"}}, {f + "txt_mlp.0", {b + "ff_context.net.0.proj"}}, {f + "txt_mlp.2", {b + "ff_context.net.2"}},
             {f + "img_mod.lin", {b + "norm1.linear"}}, {f + "txt_mod.lin", {b + "norm1_context.linear"}},
             {j + "x_block.attn.qkv", image}, {j + "context_block.attn.qkv", text}, {j + "x_block.attn.proj", {b + "attn.to_out.0"}}, {j + "context_block.attn.proj", {b + "attn.to_add_out"}},
             {j + "x_block.mlp.fc1", {b + "ff.net.0.proj"}}, {j + "x_block.mlp.fc2", {b + "ff.net.2"}}, {j + "context_block.mlp.fc1", {b + "ff_context.net.0.proj"}}, {j + "context_block.mlp.fc2", {b + "ff_context.net.2"}},
             {j + "x_block.adaLN_modulation.1", {b + "norm1.linear"}}, {j + "context_block.adaLN_modulation.1", {b + "norm1_context.linear"}}})
      add(original, modules);
  }
  for (int i = 0; has("single_transformer_blocks." + std::to_string(i) + ".attn.to_q"); ++i) {
    const std::string b = "single_transformer_blocks." + std::to_string(i) + ".", s = "single_blocks." + std::to_string(i) + ".";
    add(s + "linear1", {b + "attn.to_q", b + "attn.to_k", b + "attn.to_v", b + "proj_mlp"});
    add(s + "linear2", {b + "proj_out"});
    add(s + "modulation.lin", {b + "norm.linear"});
  }
  return out;
}

// Residual blocks in each down block of a UNet, as its names tell.
int64_t unet_layers(const WeightSource::Shapes& shapes) {
  int64_t layers = 0;
  while (shapes.contains("down_blocks.0.resnets." + std::to_string(layers) + ".conv1.weight")) ++layers;
  return layers;
}

Targets targets_of(const std::map<std::string, WeightSource::Shapes>& components) {
  Targets out;
  for (const Prefixes& p : prefixes()) {
    const auto it = components.find(p.component);
    if (it == components.end()) continue;
    const WeightSource::Shapes& shapes = it->second;
    const int64_t layers = unet_layers(shapes);
    const auto add = [&](const std::string& module, const std::vector<Target>& targets) {
      for (const char* prefix : p.dotted) out.emplace(prefix + module, targets);
      for (const char* prefix : p.underscored) out.emplace(prefix + underscored(module), targets);
    };
    for (const auto& [key, shape] : shapes) {
      if (!key.ends_with(".weight") || shape.size() < 2) continue;
      const std::string module = key.substr(0, key.size() - 7);
      const std::vector<Target> whole = {{p.component, key, 0, shape[0]}};
      add(module, whole);
      if (std::string(p.component) != "unet") continue;
      for (const std::string& original : original_unet_names(module, layers)) add(original, whole);
    }
    for (const auto& [original, modules] : fused_modules(shapes)) {
      std::vector<Target> parts;
      int64_t row = 0;
      for (const std::string& module : modules) {
        const int64_t rows = shapes.at(module + ".weight")[0];
        parts.push_back({p.component, module + ".weight", row, rows});
        row += rows;
      }
      add(original, parts);
    }
  }
  return out;
}

// The two halves and the alpha of one module.
struct Pair {
  std::string up, down, alpha;
};

// Module and half of a key: "x.lora_A.weight" -> {"x", down}.
struct Half {
  std::string module;
  std::string Pair::*member = nullptr;
};

std::optional<Half> half_of(const std::string& key) {
  static const std::vector<std::pair<std::string, std::string Pair::*>> kSuffixes = {
      {".lora_down.weight", &Pair::down}, {".lora_up.weight", &Pair::up}, {".lora_A.weight", &Pair::down}, {".lora_B.weight", &Pair::up},
      {".lora_A.default.weight", &Pair::down}, {".lora_B.default.weight", &Pair::up}, {".lora.down.weight", &Pair::down}, {".lora.up.weight", &Pair::up},
      {".lora_linear_layer.down.weight", &Pair::down}, {".lora_linear_layer.up.weight", &Pair::up}, {"_lora.down.weight", &Pair::down},
      {"_lora.up.weight", &Pair::up}, {".alpha", &Pair::alpha}};
  for (const auto& [suffix, member] : kSuffixes)
    if (key.ends_with(suffix)) {
      std::string module = key.substr(0, key.size() - suffix.size());
      if (suffix.front() == '_') {  // the attention processors of older files
        const std::size_t at = module.find(".processor.");
        if (at != std::string::npos) module.erase(at, std::string(".processor").size());
        static const std::map<std::string, std::string> kText = {{".to_q", ".q_proj"}, {".to_k", ".k_proj"}, {".to_v", ".v_proj"}, {".to_out", ".out_proj"}};
        for (const auto& [old, now] : kText)
          if (module.ends_with(old) && module.find("self_attn") != std::string::npos) module.replace(module.size() - old.size(), old.size(), now);
        if (module.ends_with(".to_out")) module += ".0";
      }
      return Half{module, member};
    }
  return std::nullopt;
}

std::map<std::string, Pair> pairs_of(const WeightSource& file) {
  std::map<std::string, Pair> out;
  for (const auto& [key, shape] : file.shapes()) {
    for (const char* other : {"hada_w", "lokr_", "dora_scale", "lora_magnitude_vector", "lora_mid"})
      if (key.find(other) != std::string::npos)
        throw Error(ErrorCode::unsupported, file.where(key) + " belongs to an adapter of another kind (LoHa, LoKr, DoRA or with a middle matrix); only plain LoRA is merged");
    const auto half = half_of(key);
    if (!half) throw Error(ErrorCode::unsupported, file.where(key) + " is not part of a LoRA in a known naming");
    out[half->module].*half->member = key;
  }
  if (out.empty()) throw Error(ErrorCode::corrupt_file, "'" + file.name() + "' holds no adapter");
  return out;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out;
  for (const int64_t d : shape) out += (out.empty() ? "[" : ",") + std::to_string(d);
  return out + "]";
}

int64_t product(const std::vector<int64_t>& shape, std::size_t from) {
  int64_t n = 1;
  for (std::size_t i = from; i < shape.size(); ++i) n *= shape[i];
  return n;
}

// rank, after checking that the halves belong together and to the weights.
int64_t checked_rank(const WeightSource& file, const std::string& module, const Pair& pair, const std::vector<Target>& targets,
                     const std::map<std::string, WeightSource::Shapes>& components) {
  if (pair.up.empty() || pair.down.empty())
    throw Error(ErrorCode::corrupt_file, "'" + file.name() + "': module '" + module + "' has only one of its two matrices");
  const auto &up = file.shapes().at(pair.up), &down = file.shapes().at(pair.down);
  if (up.size() < 2 || down.size() < 2 || up[1] != down[0] || down[0] < 1 || product(up, 2) != 1)
    throw Error(ErrorCode::corrupt_file, file.where(pair.up) + " is " + shape_text(up) + " and its other half " + shape_text(down) + "; their ranks differ");
  int64_t rows = 0;
  for (const Target& t : targets) rows += t.rows;
  const auto& weight = components.at(targets.front().component).at(targets.front().key);
  if (up[0] != rows || product(down, 1) != product(weight, 1))
    throw Error(ErrorCode::conflict, file.where(pair.up) + " changes a weight of " + std::to_string(up[0]) + " by " + std::to_string(product(down, 1)) + " numbers, the model's has " +
                                         std::to_string(rows) + " by " + std::to_string(product(weight, 1)) + "; the adapter was made for another model");
  return down[0];
}

double checked_alpha(const WeightSource& file, const std::string& key) {
  const at::Tensor alpha = file.read(key).to(at::kDouble);
  if (alpha.numel() != 1 || !std::isfinite(alpha.item<double>())) throw Error(ErrorCode::corrupt_file, file.where(key) + " must be one finite number");
  return alpha.item<double>();
}

class Merged final : public WeightSource {
 public:
  Merged(std::shared_ptr<const WeightSource> inner, LoraDeltas deltas) : inner_(std::move(inner)), deltas_(std::move(deltas)) {}
  const Shapes& shapes() const override { return inner_->shapes(); }
  at::Tensor read(const std::string& key) const override {
    const auto it = deltas_.find(key);
    const at::Tensor base = inner_->read(key);
    if (it == deltas_.end()) return base;
    at::Tensor out = base.to(at::kFloat, false, true);
    for (const LoraDelta& d : it->second) {
      const at::Tensor up = d.file->read(d.up).to(at::kFloat).flatten(1).slice(0, d.first_row, d.first_row + d.rows), down = d.file->read(d.down).to(at::kFloat).flatten(1);
      const at::Tensor change = at::mm(up, down);
      if (!at::isfinite(change).all().item<bool>()) throw Error(ErrorCode::non_finite, d.file->where(d.up) + " or its other half holds NaN or infinity; fetch the file again");
      out += (d.scale * change).view(out.sizes());
      if (!at::isfinite(out).all().item<bool>()) throw Error(ErrorCode::non_finite, d.file->where(d.up) + " makes numbers that float32 cannot hold; use a smaller weight, or fetch the file again");
    }
    return out;
  }
  std::optional<Blocks> read_blocks(const std::string& key) const override { return deltas_.contains(key) ? std::nullopt : inner_->read_blocks(key); }
  std::string where(const std::string& key) const override { return inner_->where(key); }
  std::string name() const override { return inner_->name(); }

 private:
  std::shared_ptr<const WeightSource> inner_;
  LoraDeltas deltas_;
};

}  // namespace

std::map<std::string, LoraDeltas> resolve_loras(const std::vector<LoraChoice>& files, const std::map<std::string, WeightSource::Shapes>& components) {
  const Targets targets = targets_of(components);
  std::map<std::string, LoraDeltas> out;
  for (const LoraChoice& choice : files) {
    const std::shared_ptr<const WeightSource> file = weight_source(choice.file);
    for (const auto& [module, pair] : pairs_of(*file)) {
      const auto found = targets.find(module);
      if (found == targets.end())
        throw Error(ErrorCode::conflict, "'" + file->name() + "' changes '" + module + "', which this model does not have; the adapter was made for another family");
      const int64_t rank = checked_rank(*file, module, pair, found->second, components);
      const double alpha = pair.alpha.empty() ? static_cast<double>(rank) : checked_alpha(*file, pair.alpha);
      for (const Target& t : found->second)
        out[t.component][t.key].push_back({file, pair.up, pair.down, choice.weight * alpha / static_cast<double>(rank), t.first_row, t.rows});
    }
  }
  return out;
}

std::shared_ptr<const WeightSource> with_loras(std::shared_ptr<const WeightSource> inner, LoraDeltas deltas) {
  if (deltas.empty()) return inner;
  return std::make_shared<Merged>(std::move(inner), std::move(deltas));
}

}  // namespace safelight
