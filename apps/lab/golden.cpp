#include "apps/lab/golden_case.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/autoencoders/tiny_autoencoder.h"
#include "engine/denoisers/controlnet.h"
#include "engine/denoisers/flux_transformer.h"
#include "engine/denoisers/mmdit.h"
#include "engine/denoisers/unet.h"
#include "engine/families/control.h"
#include "engine/families/family.h"
#include "engine/pipelines/run.h"
#include "engine/schedulers/solver.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/text/t5_encoder.h"
#include "engine/text/t5_tokenizer.h"
#include "engine/upscalers/swin2sr.h"
#include "engine/weights/component_files.h"
#include "engine/weights/weight_file.h"

namespace safelight::app {
namespace {

// Replays the recorded draws, in order.
class Recorded final : public NoiseSource {
 public:
  explicit Recorded(const Case& c) : case_(c) {}
  at::Tensor draw(at::IntArrayRef shape) override {
    const auto stacked = case_.want.find("noise");
    const int64_t index = next_++;
    if (stacked != case_.want.end() && index < stacked->second.size(0)) return stacked->second[index].view(shape);
    char key[16];
    std::snprintf(key, sizeof key, "noise/%03d", static_cast<int>(index));
    const auto one = case_.want.find(key);
    return one != case_.want.end() ? one->second.view(shape) : at::zeros(shape);
  }

 private:
  const Case& case_;
  int64_t next_ = 0;
};

SolverInputs solver_inputs(const Case& c, const Json& scheduler, const Json& kwargs) {
  SolverInputs in;
  in.config = SchedulerConfig::from_json(scheduler, "scheduler_config");
  if (kwargs.contains("eta")) in.eta = kwargs["eta"].get<double>();
  in.use_clipped_output = kwargs.value("use_clipped_model_output", false);
  in.lms_order = kwargs.value("order", 4);
  in.s_churn = kwargs.value("s_churn", 0.0);
  in.s_tmin = kwargs.value("s_tmin", 0.0);
  in.s_tmax = kwargs.value("s_tmax", 1e300);
  in.s_noise = kwargs.value("s_noise", 1.0);
  (void)c;
  return in;
}

// The recorded stand-in for a denoiser.
at::Tensor fake_denoiser(const at::Tensor& x, double t) {
  return at::tanh(0.7 * x + static_cast<float>(0.1 * std::sin(t))) * 0.5;
}

void scheduler_case(Case& c) {
  const Json& kw = c.config.at("set_timesteps_kwargs");
  SolverInputs in = solver_inputs(c, c.config.at("scheduler_config"), c.config.at("step_kwargs"));
  in.steps = c.config.at("num_inference_steps");
  if (kw.contains("timesteps")) in.custom.timesteps = kw["timesteps"].get<std::vector<double>>();
  if (kw.contains("sigmas")) in.custom.sigmas = kw["sigmas"].get<std::vector<double>>();
  if (kw.contains("mu")) in.custom.mu = kw["mu"].get<double>();
  if (kw.contains("original_inference_steps")) in.custom.original_steps = kw["original_inference_steps"];
  Recorded noise(c);
  in.source = &noise;
  in.noise = c.want.at("initial_noise");
  if (c.config.at("mode") == "strength") {
    in.first = static_cast<int>(c.config.value("t_start_index", 0));
    if (!c.config.contains("t_start_index")) {
      const int n = in.steps, order = c.config.at("order");
      in.first = static_cast<int>(std::max(n - std::min(n * c.config.at("strength").get<double>(), static_cast<double>(n)), 0.0)) * order;
    }
    in.start = c.want.at("x0");
    in.noise = c.want.at("noise0");
  }
  const auto solver = make_solver(in);
  const Converter converter(in.config);
  std::vector<at::Tensor> trajectory;
  std::vector<float> timesteps;
  while (const auto e = solver->next()) {
    trajectory.push_back(e->x);
    timesteps.push_back(static_cast<float>(e->node.timestep));
    solver->feed(converter.estimate(fake_denoiser(e->model_input, e->node.timestep), e->model_input, e->node));
  }
  trajectory.push_back(solver->latent());
  c.give("timesteps", at::tensor(timesteps));
  c.give("trajectory", at::stack(trajectory));
}

template <class Model, class Config>
struct Opened {
  Opened(const std::filesystem::path& folder, const std::string& stem, const std::function<std::string(const std::string&)>& rename)
      : model(ParameterScope(parameters), Config::from_json(read_json(folder / "config.json"), folder.string())) {
    load_weights(parameters, component_files(folder, stem), {.rename = rename});
  }
  Parameters parameters;
  Model model;
};

std::string same(const std::string& key) { return key; }

std::string no_ids(const std::string& key) { return key.ends_with("position_ids") ? "" : key; }

std::string no_copy(const std::string& key) { return key == "encoder.embed_tokens.weight" ? "" : key; }

void unet_case(Case& c) {
  const Opened<Unet, UnetConfig> u(c.root / c.golden.at("checkpoint").get<std::string>(), "diffusion_pytorch_model", same);
  const auto in = [&](const char* key) { return c.want.contains(key) ? c.want.at(key) : at::Tensor(); };
  UnetInputs inputs;
  inputs.sample = in("in/sample");
  inputs.timesteps = in("in/timestep");
  inputs.text = in("in/encoder_hidden_states");
  inputs.text_mask = in("in/encoder_attention_mask");
  inputs.guidance_embed = in("in/timestep_cond");
  inputs.class_labels = in("in/class_labels");
  inputs.pooled_text = in("in/added_cond_kwargs.text_embeds");
  inputs.time_ids = in("in/added_cond_kwargs.time_ids");
  c.give("out/sample", u.model.forward(inputs, {}));
}

std::string legacy_attention(const std::string& key) {
  for (const auto& [old, now] : {std::pair{".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}}) {
    const std::size_t at = key.find(old);
    if (at != std::string::npos) return key.substr(0, at) + now + key.substr(at + std::string(old).size());
  }
  return key;
}

void vae_case(Case& c) {
  const Opened<AutoencoderKl, AutoencoderKlConfig> v(c.root / c.golden.at("checkpoint").get<std::string>(), "diffusion_pytorch_model", legacy_attention);
  const LatentGaussian g = v.model.encode(c.want.at("in/image"), {});
  c.give("out/moments", g.moments);
  c.give("out/mean", g.mean);
  c.give("out/logvar", g.logvar);
  c.give("out/std", (0.5 * g.logvar).exp());
  if (c.want.contains("in/eps")) c.give("out/latent_sample", g.sample(c.want.at("in/eps")));
  c.give("out/decoded", v.model.decode(c.want.at("in/latents"), {}));
  c.give("out/roundtrip", v.model.decode(g.mean, {}));
}

void clip_case(Case& c) {
  const Opened<ClipTextEncoder, ClipTextConfig> t(c.root / c.golden.at("checkpoint").get<std::string>(), "model", no_ids);
  const ClipTextOutput o = t.model.forward(c.want.at("in/input_ids"), {}, {});
  c.give("out/last_hidden_state", o.last);
  c.give("out/pooled", o.pooled);
  const at::Tensor& penultimate = o.hidden[o.hidden.size() - 2];
  c.give("out/penultimate", penultimate);
  c.give("out/penultimate_final_norm", t.model.final_norm(penultimate));
  if (o.projected.defined()) c.give("out/text_embeds", o.projected);
  for (std::size_t i = 0; i < o.hidden.size(); ++i) c.give("out/hidden_states." + std::to_string(i), o.hidden[i].slice(0, 0, 1));
  if (c.want.contains("out/last_hidden_state_with_mask"))
    c.give("out/last_hidden_state_with_mask", t.model.forward(c.want.at("in/input_ids"), c.want.at("in/attention_mask"), {}).last);
}

void t5_case(Case& c) {
  const Opened<T5Encoder, T5Config> t(c.root / c.golden.at("checkpoint").get<std::string>(), "model", no_copy);
  const at::Tensor ids = c.want.at("in/input_ids");
  c.give("out/last_hidden_state", t.model.forward(ids, {}, {}));
  c.give("out/last_hidden_state_with_mask", t.model.forward(ids, c.want.at("in/attention_mask"), {}));
  c.give("out/position_bias", t.model.position_bias(ids.size(1), ids.device()));
}

void taesd_case(Case& c) {
  const Opened<TinyAutoencoder, TinyAutoencoderConfig> v(c.root / c.golden.at("checkpoint").get<std::string>(), "diffusion_pytorch_model", same);
  const at::Tensor latents = v.model.encode(c.want.at("in/image"), {}), unit = v.model.to_unit(latents);
  c.give("out/latents", latents);
  c.give("out/scaled_latents", unit);
  c.give("out/unscaled", v.model.from_unit(unit));
  c.give("out/decoded", v.model.decode(c.want.at("in/latents"), {}));
  c.give("out/roundtrip", v.model.decode(latents, {}));
}

void swin2sr_case(Case& c) {
  struct Blocks final : ForwardObserver {
    explicit Blocks(Case& to) : into(to) {}
    bool wants_blocks() const override { return true; }
    void on_block(std::string_view module, const at::Tensor& x) override {
      const std::string key = "act/" + std::string(module);
      if (into.want.contains(key)) into.give(key, x);
    }
    Case& into;
  } blocks(c);
  const Opened<Swin2sr, Swin2srConfig> s(c.root / c.golden.at("checkpoint").get<std::string>(), "model", swin2sr_key);
  c.give("out/reconstruction", s.model.forward(c.want.at("in/pixel_values"), {.observer = &blocks}));
}

void controlnet_case(Case& c) {
  const Opened<ControlNet, ControlNetConfig> net(c.root / c.golden.at("checkpoint").get<std::string>(), "diffusion_pytorch_model", same);
  const Opened<Unet, UnetConfig> unet(c.root / "checkpoints/sd15/unet", "diffusion_pytorch_model", same);
  UnetInputs in;
  in.sample = c.want.at("in/sample");
  in.timesteps = at::full({1}, c.config.at("timestep").get<double>(), at::kFloat);
  in.text = c.want.at("in/encoder_hidden_states");
  in.control = net.model.forward(in, c.want.at("in/controlnet_cond"), c.config.at("conditioning_scale"), c.config.at("guess_mode"), {});
  for (std::size_t i = 0; i + 1 < in.control.size(); ++i) c.give("out/down_block_res_samples." + std::to_string(i), in.control[i]);
  c.give("out/mid_block_res_sample", in.control.back());
  c.give("out/unet_sample_with_residuals", unet.model.forward(in, {}));
}

void mmdit_case(Case& c) {
  const Opened<Mmdit, MmditConfig> t(c.root / c.golden.at("checkpoint").get<std::string>(), "diffusion_pytorch_model", same);
  c.give("out/sample", t.model.forward(c.want.at("in/hidden_states"), c.want.at("in/timestep"), c.want.at("in/encoder_hidden_states"),
                                       c.want.at("in/pooled_projections"), {}));
}

void flux_case(Case& c) {
  const Opened<FluxTransformer, FluxConfig> t(c.root / c.golden.at("checkpoint").get<std::string>(), "diffusion_pytorch_model", same);
  FluxInputs in{.sample = c.want.at("in/hidden_states"), .timesteps = c.want.at("in/timestep"), .guidance = {}, .text = c.want.at("in/encoder_hidden_states"),
                .pooled = c.want.at("in/pooled_projections"), .text_ids = c.want.at("in/txt_ids"), .image_ids = c.want.at("in/img_ids")};
  if (c.want.contains("in/guidance")) in.guidance = c.want.at("in/guidance");
  if (in.text_ids.dim() == 3) in.text_ids = in.text_ids[0], in.image_ids = in.image_ids[0];
  c.give("out/sample", t.model.forward(in, {}));
}

void tokenizer_case(Case& c) {
  const Json& files = c.golden.at("files");
  const auto directory = c.root / files.at("tokenizer_dir").get<std::string>();
  const std::string name = c.golden.at("name");
  std::shared_ptr<const Tokenizer> tokenizer;
  const bool t5 = name.starts_with("t5");
  if (t5) tokenizer = T5Tokenizer::open(directory, name.find("legacy") != std::string::npos);
  else tokenizer = std::make_shared<ClipTokenizer>(ClipTokenizer::open(directory, name.find("noftfy") != std::string::npos ? Cleaning::basic : Cleaning::repaired));
  const Json items = read_json(c.root / files.at("cases").get<std::string>()).at("items");
  int wrong = 0, total = 0;
  for (const Json& item : items) {
    if (item.contains("mojibake") && item["mojibake"] == true) continue;
    if (item.contains("tags") && item["tags"].dump().find("mojibake") != std::string::npos) continue;
    ++total;
    const TokenizedPrompt got = tokenizer->encode(item.at("text").get<std::string>(), 1 << 15);
    const std::ptrdiff_t begin = t5 ? 0 : 1;
    const std::vector<int64_t> ids(got.ids.begin() + begin, got.ids.begin() + begin + got.content);
    if (ids != item.at("ids").get<std::vector<int64_t>>() && ++wrong <= 12) c.out.what += " " + item["text"].dump(-1, ' ', true).substr(0, 60);
  }
  c.compared = total;
  c.out.error = static_cast<double>(wrong);
  c.out.what = std::to_string(wrong) + " of " + std::to_string(total) + " wrong:" + c.out.what;
}

std::vector<std::string> texts(const Json& call, const char* key, std::size_t n) {
  if (!call.contains(key) || call[key].is_null()) return std::vector<std::string>(n, "");
  if (call[key].is_array()) return call[key].get<std::vector<std::string>>();
  return std::vector<std::string>(n, call[key].get<std::string>());
}

SizeHints size_hints(const Json& call, const std::string& prefix) {
  SizeHints h;
  const auto pair = [&](const std::string& key, int& first, int& second) {
    if (call.contains(prefix + key)) first = call[prefix + key][0], second = call[prefix + key][1];
  };
  pair("original_size", h.original_height, h.original_width);
  pair("target_size", h.target_height, h.target_width);
  pair("crops_coords_top_left", h.crop_top, h.crop_left);
  return h;
}

GenerateRequest request_of(const Json& call, std::size_t row, std::size_t rows) {
  GenerateRequest r;
  const auto text = [&](const char* key) { return texts(call, key, rows)[row]; };
  r.prompt = text("prompt"), r.prompt_2 = text("prompt_2"), r.prompt_3 = text("prompt_3");
  r.negative = text("negative_prompt"), r.negative_2 = text("negative_prompt_2"), r.negative_3 = text("negative_prompt_3");
  r.steps = call.at("num_inference_steps");
  r.guidance = call.at("guidance_scale").get<double>();
  r.guidance_form.rescale = call.value("guidance_rescale", 0.0);
  r.clip_skip = call.contains("clip_skip") && !call["clip_skip"].is_null() ? call["clip_skip"].get<int>() : 0;
  r.max_text_tokens = call.value("max_sequence_length", 0);
  if (call.contains("eta")) r.scheduler.eta = call["eta"].get<double>();
  r.picture.strength = call.value("strength", 1.0);
  r.picture.noise_level = call.value("noise_level", 20);
  if (call.contains("denoising_end")) r.part.end = call["denoising_end"].get<double>();
  r.sizes = size_hints(call, "");
  r.negative_sizes = size_hints(call, "negative_");
  r.count = call.value("num_images_per_prompt", 1);
  r.probes = "none";
  return r;
}

// One row of the recorded draws: the latents first where they were given, then the rest in order.
class RecordedRow final : public NoiseSource {
 public:
  RecordedRow(const Case& c, int64_t row, int64_t rows) : rest_(c), row_(row), rows_(rows) {
    for (const char* key : {"in/latents_unpacked", "in/latents"})
      if (c.want.contains(key) && !latents_.defined()) latents_ = c.want.at(key);
  }
  at::Tensor draw(at::IntArrayRef shape) override {
    std::vector<int64_t> whole = shape.vec();
    whole[0] *= rows_;
    at::Tensor all;
    if (latents_.defined() && latents_.sizes().vec() == whole) all = std::exchange(latents_, at::Tensor());
    else all = rest_.draw(whole);
    return all.slice(0, row_ * shape[0], (row_ + 1) * shape[0]);
  }

 private:
  Recorded rest_;
  at::Tensor latents_;
  int64_t row_, rows_;
};

}  // namespace

at::Tensor recorded_form(const Denoiser& denoiser, const at::Tensor& latents) {
  const bool packs = denoiser.guidance() != GuidanceKind::classifier_free && denoiser.patch() == 2;
  return packs ? packed_latents(latents) : latents;
}

namespace {

// The engine's own run with the recorded noise and pictures in the place of a generator and files.
void pipeline_case(Case& c) {
  const Json& call = c.config.at("call");
  OpenOptions open;
  open.without = c.config.value("dropped_components", std::vector<std::string>());
  Components components = open_model(c.root / c.golden.at("checkpoint").get<std::string>(), open);
  components.scheduler_config = c.config.at("scheduler_config");
  components.recommended.solver.clear();
  if (call.contains("original_inference_steps")) components.scheduler_config["original_inference_steps"] = call["original_inference_steps"];
  const auto as_recorded = [&](const at::Tensor& latents) { return recorded_form(*components.denoiser, latents); };
  const std::size_t rows = call.at("prompt").is_array() ? call["prompt"].size() : 1;
  const auto picture = c.want.find("in/image");
  const bool hint = c.golden.contains("extra_checkpoints");
  std::vector<std::vector<at::Tensor>> steps;
  std::vector<at::Tensor> latents, decoded, encoded, pooled, negative, negative_pooled;
  for (std::size_t row = 0; row < rows; ++row) {
    GenerateRequest r = request_of(call, row, rows);
    RunOptions options;
    const at::Tensor& size = c.want.contains("vae/decode_out") ? c.want.at("vae/decode_out") : c.want.at("out/latents");
    r.height = static_cast<int>(size.size(2)), r.width = static_cast<int>(size.size(3));
    if (picture != c.want.end() && !hint) options.inputs.picture = picture->second * 2 - 1;
    if (c.want.contains("in/mask")) options.inputs.mask = c.want.at("in/mask");
    if (hint && row == 0)
      components.denoiser = controlled(components.denoiser, {.directory = c.root / c.golden["extra_checkpoints"][0].get<std::string>(), .dtype = "float32",
                                                             .hint = c.want.at("in/controlnet_cond").slice(0, 0, 1), .scale = call.value("controlnet_conditioning_scale", 1.0),
                                                             .guess = call.value("guess_mode", false)});
    RecordedRow noise(c, static_cast<int64_t>(row), static_cast<int64_t>(rows));
    options.noise = &noise;
    steps.emplace_back();
    options.evaluated = [&](const Solver& solver) { const auto next = solver.next(); steps.back().push_back(as_recorded(next ? next->x : solver.latent())); };
    const PromptEncoder& prompt = *components.prompt;
    const EncodedPrompt e = prompt.encode(prompt.tokenise({r.prompt, r.prompt_2, r.prompt_3}, r.max_text_tokens), {.clip_skip = r.clip_skip});
    const EncodedPrompt n = prompt.encode(prompt.tokenise({r.negative, r.negative_2, r.negative_3}, r.max_text_tokens), {.negative = true});
    for (int copy = 0; copy < r.count; ++copy) encoded.push_back(e.text), negative.push_back(n.text), pooled.push_back(e.pooled), negative_pooled.push_back(n.pooled);
    const GenerateResult result = run(components, r, std::move(options));
    latents.push_back(as_recorded(result.latents)), decoded.push_back(result.pixels);
  }
  c.give("enc/prompt_embeds", at::cat(encoded));
  c.give("enc/negative_prompt_embeds", at::cat(negative));
  if (pooled.front().defined()) c.give("enc/pooled_prompt_embeds", at::cat(pooled)), c.give("enc/negative_pooled_prompt_embeds", at::cat(negative_pooled));
  std::vector<at::Tensor> by_row;
  for (const auto& row : steps) by_row.push_back(at::stack(row));
  c.give("steps/prev_sample", at::cat(by_row, 1));
  c.give("out/latents", at::cat(latents));
  c.give("vae/decode_out", at::cat(decoded));
}

constexpr Kind kKinds[] = {{"scheduler_trajectory", scheduler_case}, {"unet", unet_case}, {"vae", vae_case}, {"clip_text", clip_case},
                           {"tokenizer", tokenizer_case}, {"pipeline", pipeline_case}, {"t5", t5_case}, {"taesd", taesd_case},
                           {"controlnet", controlnet_case}, {"swin2sr", swin2sr_case}, {"sd3_transformer", mmdit_case}, {"flux_transformer", flux_case}};

// Null for what this build cannot run.
const Kind* kind_of(const Case& c, const std::string& name) {
  if (name == "scheduler_trajectory") {
    const std::string scheduler = c.config.at("scheduler").get<std::string>();
    if (std::none_of(solver_table().begin(), solver_table().end(), [&](const SolverEntry& e) { return e.class_name == scheduler; })) return nullptr;
  }
  for (const Kind& kind : kKinds)
    if (name == kind.name) return &kind;
  for (const Kind& kind : format_kinds())
    if (name == kind.name) return &kind;
  return nullptr;
}

}  // namespace

GoldenOutcome run_golden_case(const Json& golden, const std::filesystem::path& root) {
  at::NoGradGuard no_grad;
  const std::string kind = golden.value("kind", std::string());
  const Json empty = Json::object();
  Case c{golden, golden.contains("config") ? golden["config"] : empty, root, {}, {}, 0};
  try {
    const Kind* found = kind_of(c, kind);
    if (!found) {
      c.out.unsupported = true;
      return c.out;
    }
    if (golden.at("files").contains("tensors")) c.want = read_tensors(root / golden["files"]["tensors"].get<std::string>());
    found->run(c);
    if (c.compared == 0) throw Error(ErrorCode::internal, "nothing of this case was compared");
    c.out.passed = c.out.error <= golden.at("tolerance").value("value", 0.0);
  } catch (const std::exception& e) {
    c.out.error = 1e9;
    c.out.what = e.what();
  }
  return c.out;
}

}  // namespace safelight::app
