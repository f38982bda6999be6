#include "apps/lab/golden.h"

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
#include "engine/guidance/guidance.h"
#include "engine/schedulers/solver.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"
#include "engine/text/t5_encoder.h"
#include "engine/text/t5_tokenizer.h"
#include "engine/weights/component_files.h"
#include "engine/weights/weight_file.h"

namespace safelight::app {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

struct Case {
  const Json& golden;
  const Json& config;
  std::filesystem::path root;
  Tensors want;
  GoldenOutcome out;
  int compared = 0;  // tensors that the record holds too

  void give(const std::string& key, const at::Tensor& got) {
    out.tensors.emplace_back(key, got.contiguous());
    const auto it = want.find(key);
    if (it == want.end()) return;
    ++compared;
    double error = 1e9;
    if (it->second.numel() == got.numel()) {
      const at::Tensor w = it->second.to(at::kFloat).flatten(), g = got.to(at::kFloat).flatten();
      error = (g - w).norm().item<double>() / std::max(w.norm().item<double>(), 1e-12);
      if (!std::isfinite(error)) error = 1e9;
    }
    if (error >= out.error) out.error = error, out.what = key;
  }
};

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
  c.give("out/position_bias", t.model.position_bias(ids.size(1)));
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
  c.out.error = static_cast<double>(wrong);
  c.out.what = std::to_string(wrong) + " of " + std::to_string(total) + " wrong:" + c.out.what;
}

bool pipeline_supported(const Case& c) {
  const std::string pipeline = c.config.at("pipeline");
  const Json& call = c.config.at("call");
  if (pipeline != "StableDiffusionPipeline" && pipeline != "LatentConsistencyModelPipeline") return false;
  return !call.contains("num_images_per_prompt") || call["num_images_per_prompt"] == 1;
}

std::vector<std::string> texts(const Json& call, const char* key, std::size_t n) {
  if (!call.contains(key) || call[key].is_null()) return std::vector<std::string>(n, "");
  if (call[key].is_array()) return call[key].get<std::vector<std::string>>();
  return {call[key].get<std::string>()};
}

// The same loop as a run's, over recorded noise: encodes, guides, solves and decodes.
void pipeline_case(Case& c) {
  const auto root = c.root / c.golden.at("checkpoint").get<std::string>();
  const Json& call = c.config.at("call");
  const auto tokenizer = ClipTokenizer::open(root / "tokenizer");
  const Opened<ClipTextEncoder, ClipTextConfig> text(root / "text_encoder", "model", no_ids);
  const Opened<Unet, UnetConfig> unet(root / "unet", "diffusion_pytorch_model", same);
  const Opened<AutoencoderKl, AutoencoderKlConfig> vae(root / "vae", "diffusion_pytorch_model", legacy_attention);
  const auto encode = [&](const std::vector<std::string>& prompts, int64_t skip) {
    std::vector<int64_t> ids;
    for (const std::string& p : prompts) {
      const auto tokens = tokenizer.encode(p, 77).ids;
      ids.insert(ids.end(), tokens.begin(), tokens.end());
    }
    const ClipTextOutput o = text.model.forward(at::tensor(ids, at::kLong).view({static_cast<int64_t>(prompts.size()), 77}), {}, {});
    return skip > 0 ? text.model.final_norm(o.hidden[o.hidden.size() - 1 - static_cast<std::size_t>(skip)]) : o.last;
  };
  const std::vector<std::string> prompts = texts(call, "prompt", 1);
  const double w = call.at("guidance_scale");
  const bool embeds = unet.model.config().time_cond_proj_dim > 0, guided = w > 1 && !embeds;
  const at::Tensor cond = encode(prompts, call.value("clip_skip", 0));
  c.give("enc/prompt_embeds", cond);
  at::Tensor negative;
  if (guided) c.give("enc/negative_prompt_embeds", negative = encode(texts(call, "negative_prompt", prompts.size()), 0));  // the reference skips no layer here
  Json kwargs = c.config.value("step_kwargs", Json::object());
  if (call.contains("eta")) kwargs["eta"] = call["eta"];
  SolverInputs in = solver_inputs(c, c.config.at("scheduler_config"), kwargs);
  in.steps = call.at("num_inference_steps");
  in.custom.original_steps = call.value("original_inference_steps", 0);
  Recorded noise(c);
  in.source = &noise;
  in.noise = c.want.at("in/latents");
  const auto solver = make_solver(in);
  const Converter converter(in.config);
  UnetInputs u;
  u.text = guided ? at::cat({negative, cond}, 0) : cond;
  if (embeds) {
    const int64_t width = unet.model.config().time_cond_proj_dim;
    const at::Tensor scale = at::full({cond.size(0)}, (w - 1) * 1000.0, at::kFloat);
    const at::Tensor frequency = (at::arange(width / 2, at::kFloat) * (-std::log(10000.0) / (static_cast<double>(width) / 2 - 1))).exp();
    const at::Tensor angle = scale.unsqueeze(1) * frequency.unsqueeze(0);
    u.guidance_embed = at::cat({angle.sin(), angle.cos()}, 1);
  }
  std::vector<at::Tensor> after;
  while (const auto e = solver->next()) {
    const int64_t n = e->model_input.size(0);
    u.sample = guided ? at::cat({e->model_input, e->model_input}, 0) : e->model_input;
    u.timesteps = at::full({u.sample.size(0)}, e->node.timestep, at::kFloat);
    const at::Tensor raw = unet.model.forward(u, {});
    at::Tensor one = guided ? classifier_free_guidance(raw.slice(0, n), raw.slice(0, 0, n), w) : raw;
    if (guided) one = rescale_guided(one, raw.slice(0, n), call.value("guidance_rescale", 0.0));
    solver->feed(converter.estimate(one, e->model_input, e->node));
    const auto next = solver->next();
    after.push_back(next ? next->x : solver->latent());
  }
  c.give("steps/prev_sample", at::stack(after));
  c.give("out/latents", solver->latent());
  const AutoencoderKlConfig& v = vae.model.config();
  c.give("vae/decode_out", vae.model.decode(solver->latent() / v.scaling_factor + v.shift_factor, {}));
}

struct Kind {
  const char* name;
  void (*run)(Case&);
};

constexpr Kind kKinds[] = {{"scheduler_trajectory", scheduler_case}, {"unet", unet_case}, {"vae", vae_case}, {"clip_text", clip_case},
                           {"tokenizer", tokenizer_case}, {"pipeline", pipeline_case}, {"t5", t5_case}, {"taesd", taesd_case},
                           {"controlnet", controlnet_case}, {"sd3_transformer", mmdit_case}, {"flux_transformer", flux_case}};

// Null for what this build cannot run.
const Kind* kind_of(const Case& c, const std::string& name) {
  if (name == "scheduler_trajectory" || name == "pipeline") {
    if (name == "pipeline" && !pipeline_supported(c)) return nullptr;
    const std::string scheduler = name == "pipeline" ? c.config.at("scheduler_config").value("_class_name", std::string()) : c.config.at("scheduler").get<std::string>();
    if (std::none_of(solver_table().begin(), solver_table().end(), [&](const SolverEntry& e) { return e.class_name == scheduler; })) return nullptr;
  }
  for (const Kind& kind : kKinds)
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
    if (c.compared == 0 && kind != "tokenizer") throw Error(ErrorCode::internal, "nothing of this case was compared");
    c.out.passed = c.out.error <= golden.at("tolerance").at("value").get<double>();
  } catch (const std::exception& e) {
    c.out.error = 1e9;
    c.out.what = e.what();
  }
  return c.out;
}

}  // namespace safelight::app
