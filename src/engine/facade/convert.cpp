#include "engine/facade/convert.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/base/error.h"
#include "common/base/io.h"
#include "engine/families/adapters.h"
#include "engine/families/parts.h"
#include "engine/weights/single_file_map.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr const char* kComponents[] = {"unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"};
constexpr int64_t kSmallest = 1024;  // numbers of a weight that is worth quantising

// A component under its present names: older autoencoders have others.
class Modern final : public WeightSource {
 public:
  explicit Modern(std::shared_ptr<const WeightSource> inner) : inner_(std::move(inner)) {
    for (const auto& [key, shape] : inner_->shapes()) {
      shapes_[modern_vae_key(key)] = shape;
      old_[modern_vae_key(key)] = key;
    }
  }
  const Shapes& shapes() const override { return shapes_; }
  at::Tensor read(const std::string& key) const override { return inner_->read(old_.at(key)); }
  std::string where(const std::string& key) const override { return inner_->where(old_.at(key)); }
  std::string name() const override { return inner_->name(); }

 private:
  std::shared_ptr<const WeightSource> inner_;
  Shapes shapes_;
  std::map<std::string, std::string> old_;
};

using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

struct Source {
  std::unique_ptr<const ModelFiles> files;
  std::map<std::string, ComponentFiles> components;
  std::map<std::string, TensorShapes> shapes;
};

Source open_source(const ConvertRequest& r) {
  Source s;
  s.files = std::filesystem::is_directory(r.source) ? directory_files(r.source) : single_file(r.source, r.base, r.vocabulary);
  const std::vector<AdapterChoice> own = own_adapters(*s.files);
  if (!own.empty()) s.files = with_adapters(std::move(s.files), own, {});
  for (const char* name : kComponents) {
    if (!s.files->has(name)) continue;
    s.components[name] = s.files->component(name);
    if (std::string_view(name) == "vae") s.components[name].weights = std::make_shared<Modern>(s.components[name].weights);
    s.shapes[name] = s.components[name].weights->shapes();
  }
  if (s.components.empty()) throw Error(ErrorCode::not_found, "'" + r.source.string() + "' holds no component that is known");
  return s;
}

std::string layout_of(const Source& s) {
  const auto has = [&](const char* component, const char* key) { return s.shapes.contains(component) && s.shapes.at(component).contains(key); };
  if (s.shapes.contains("transformer")) return has("transformer", "single_transformer_blocks.0.proj_mlp.weight") ? "flux" : "sd3";
  if (!s.shapes.contains("unet")) return "autoencoder";
  if (has("unet", "add_embedding.linear_1.weight")) return s.shapes.contains("text_encoder") ? "sdxl" : "sdxl-refiner";
  // The second generation's text encoder is OpenCLIP's, whose feed-forward uses the exact GELU.
  const auto text = s.components.find("text_encoder");
  return text != s.components.end() && text->second.config.value("hidden_act", std::string("quick_gelu")) == "gelu" ? "sd2" : "sd1";
}

at::ScalarType plain_type(const std::string& type, at::ScalarType own) {
  if (type == "keep") return own;
  if (type == "float32") return at::kFloat;
  if (type == "float16") return at::kHalf;
  if (type == "bfloat16") return at::kBFloat16;
  throw Error(ErrorCode::invalid_argument, "type '" + type + "' is unknown here; known: keep, float32, float16, bfloat16, and for gguf q8_0, q5_0, q4_0");
}

at::Tensor cast(const at::Tensor& t, const std::string& type, const std::string& where) {
  if (!t.is_floating_point()) return t;
  const at::Tensor out = t.to(plain_type(type, t.scalar_type()));
  if (!at::isfinite(out).all().item<bool>()) throw Error(ErrorCode::non_finite, where + " holds numbers that " + at::toString(out.scalar_type()) + " cannot hold; use bfloat16 or float32");
  return out;
}

class Report {
 public:
  void add(const std::string& from, const std::string& to, const std::string& was, const std::string& is) {
    const char* action = was != is ? "cast" : from != to ? "renamed" : "kept";
    ++counts_[action];
    rows_.push_back({{"from", from}, {"to", to}, {"type", was}, {"new_type", is}, {"action", action}});
  }
  void left_out(const std::string& from, const std::string& why) {
    ++counts_["left out"];
    rows_.push_back({{"from", from}, {"to", nullptr}, {"action", "left out"}, {"why", why}});
  }
  Json json(const std::filesystem::path& target) const {
    Json counts = Json::object();
    for (const char* action : {"kept", "cast", "renamed", "left out"}) counts[action] = counts_.contains(action) ? counts_.at(action) : 0;
    return {{"target", target.string()}, {"counts", counts}, {"tensors", rows_}};
  }

 private:
  std::map<std::string, int> counts_;
  Json rows_ = Json::array();
};

const char* pipeline_class(const std::string& layout) {
  static const std::map<std::string, const char*> kClasses = {{"sd1", "StableDiffusionPipeline"}, {"sd2", "StableDiffusionPipeline"}, {"sdxl", "StableDiffusionXLPipeline"},
                                                              {"sdxl-refiner", "StableDiffusionXLImg2ImgPipeline"}, {"sd3", "StableDiffusion3Pipeline"}, {"flux", "FluxPipeline"}};
  const auto it = kClasses.find(layout);
  return it == kClasses.end() ? "AutoencoderKL" : it->second;
}

void copy_rest(const Source& s, const ConvertRequest& r, const std::filesystem::path& out, const std::string& layout) {
  Json index = s.files->index();
  if (index.empty()) {
    index["_class_name"] = pipeline_class(layout);
    for (const auto& [name, files] : s.components) index[name] = {"diffusers", files.config.value("_class_name", std::string("CLIPTextModel"))};
  }
  write_file_atomic(out / "model_index.json", index.dump(2) + "\n");
  for (const char* name : {"scheduler", "low_res_scheduler"}) {
    if (std::string(name) == "low_res_scheduler" && !std::filesystem::is_directory(r.source / name)) continue;
    std::filesystem::create_directories(out / name);
    write_file_atomic(out / name / "scheduler_config.json", s.files->scheduler(name).first.dump(2) + "\n");
  }
  for (const auto& [tokenizer, encoder] : {std::pair{"tokenizer", "text_encoder"}, {"tokenizer_2", "text_encoder_2"}, {"tokenizer_3", "text_encoder_3"}})
    if (s.components.contains(encoder)) std::filesystem::copy(s.files->tokenizer(tokenizer), out / tokenizer, std::filesystem::copy_options::recursive);
  if (const auto about = r.source / "safelight.json"; std::filesystem::exists(about)) {
    Json json = read_json(about);
    if (json.is_object()) json.erase("adapters");  // merged in by now
    write_file_atomic(out / "safelight.json", json.dump(2) + "\n");
  }
}

void to_directory(const Source& s, const ConvertRequest& r, const std::filesystem::path& out, Report& report, const std::function<void(const std::string&, double)>& progress) {
  std::size_t done = 0;
  for (const auto& [name, files] : s.components) {
    progress(name, static_cast<double>(done++) / static_cast<double>(s.components.size()));
    Tensors tensors;
    for (const auto& [key, shape] : files.weights->shapes()) {
      const at::Tensor t = files.weights->read(key);
      tensors.emplace_back(key, cast(t, r.type, files.weights->where(key)));
      const std::string where = files.weights->where(key);
      report.add(std::filesystem::is_directory(r.source) ? key : where.substr(8, where.find("' in '") - 8), key, at::toString(t.scalar_type()), at::toString(tensors.back().second.scalar_type()));
    }
    std::filesystem::create_directories(out / name);
    write_file_atomic(out / name / "config.json", files.config.dump(2) + "\n");
    write_tensors(out / name / (name.starts_with("text_encoder") ? "model.safetensors" : "diffusion_pytorch_model.safetensors"), tensors, {{"format", "pt"}});
  }
  copy_rest(s, r, out, layout_of(s));
}

at::Tensor original(const Source& s, const OriginalTensor& t) {
  std::vector<at::Tensor> parts;
  for (const auto& p : t.pieces) parts.push_back(s.components.at(p.component).weights->read(p.key));
  at::Tensor out = parts.size() == 1 ? parts.front() : at::cat(parts, 0);
  if (t.op == MappedTensor::Op::transpose) out = out.t();
  if (t.op == MappedTensor::Op::reshape) out = out.view({out.size(0), -1, 1, 1});
  if (t.op == MappedTensor::Op::swap_halves) out = at::cat({out.slice(0, out.size(0) / 2), out.slice(0, 0, out.size(0) / 2)}, 0);
  return out.contiguous();
}

bool quantised(const std::string& type) { return type.starts_with("q"); }

GgufType gguf_type(const ConvertRequest& r, const at::Tensor& t) {
  if (quantised(r.type) && t.dim() == 2 && t.size(1) % 32 == 0 && t.numel() > kSmallest) {
    static const std::map<std::string, GgufType> kTypes = {{"q8_0", GgufType::q8_0}, {"q5_0", GgufType::q5_0}, {"q4_0", GgufType::q4_0}};
    const auto it = kTypes.find(r.type);
    if (it == kTypes.end()) throw Error(ErrorCode::invalid_argument, "type '" + r.type + "' is not written; known: q8_0, q5_0, q4_0");
    return it->second;
  }
  const at::ScalarType plain = quantised(r.type) ? at::kHalf : plain_type(r.type, t.scalar_type());
  return plain == at::kHalf ? GgufType::f16 : plain == at::kBFloat16 ? GgufType::bf16 : GgufType::f32;
}

void to_one_file(const Source& s, const ConvertRequest& r, const std::filesystem::path& out, Report& report, const std::function<void(const std::string&, double)>& progress) {
  std::vector<std::string> left_out;
  const std::string layout = layout_of(s);
  const std::vector<OriginalTensor> list = unmap_single_file(s.shapes, layout, left_out);
  for (const std::string& name : left_out) report.left_out(name, "it has no name in the authors' layout");
  Tensors plain;
  std::vector<std::vector<std::byte>> blocks(list.size());
  std::vector<GgufTensorSource> packed;
  for (std::size_t i = 0; i < list.size(); ++i) {
    progress(list[i].key, static_cast<double>(i) / static_cast<double>(list.size()));
    const at::Tensor t = original(s, list[i]);
    const std::string from = list[i].pieces.front().component + "." + list[i].pieces.front().key;
    const std::string where = s.components.at(list[i].pieces.front().component).weights->where(list[i].pieces.front().key);
    if (r.to == "single-file") {
      plain.emplace_back(list[i].key, cast(t, r.type, where));
      report.add(from, list[i].key, at::toString(t.scalar_type()), at::toString(plain.back().second.scalar_type()));
      continue;
    }
    const GgufType type = gguf_type(r, t);
    const at::Tensor wide = t.to(at::kFloat).contiguous();
    gguf_quantise(type, {wide.data_ptr<float>(), static_cast<std::size_t>(wide.numel())}, blocks[i]);
    packed.push_back({list[i].key, type, t.dim() == 0 ? std::vector<int64_t>{1} : t.sizes().vec(), blocks[i]});
    report.add(from, list[i].key, at::toString(t.scalar_type()), std::string(name(type)));
  }
  if (r.to == "single-file") write_tensors(out, plain, {{"format", "pt"}});
  else write_gguf(out, packed, {{"general.architecture", layout}, {"general.name", r.source.stem().string()}});
}

}  // namespace

Json convert_model(const ConvertRequest& r, const std::function<void(const std::string&, double)>& progress) {
  at::NoGradGuard no_grad;
  if (r.to != "directory" && r.to != "single-file" && r.to != "gguf")
    throw Error(ErrorCode::invalid_argument, "layout '" + r.to + "' is unknown; known: directory, single-file, gguf");
  if (r.to != "gguf") plain_type(r.type, at::kFloat);
  if (std::filesystem::exists(r.target)) throw Error(ErrorCode::conflict, "'" + r.target.string() + "' is there already; choose another name or remove it");
  const Source source = open_source(r);
  const std::filesystem::path partial = r.target.string() + ".partial";
  std::filesystem::remove_all(partial);
  Report report;
  try {
    if (r.to == "directory") to_directory(source, r, partial, report, progress);
    else to_one_file(source, r, partial, report, progress);
  } catch (...) {
    std::filesystem::remove_all(partial);
    throw;
  }
  std::filesystem::rename(partial, r.target);
  return report.json(r.target);
}

}  // namespace safelight
