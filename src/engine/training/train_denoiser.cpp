#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/version.h>

#include "common/base/sha256.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr uint64_t kDenoiserStream = 2;
constexpr int64_t kEncodeBatch = 256;

// Cumulative products of 1 - beta over the training steps, float32 (Ho et al., arXiv:2006.11239).
at::Tensor alphas_cumprod(const Json& scheduler) {
  const double start = scheduler.at("beta_start").get<double>(), end = scheduler.at("beta_end").get<double>();
  const int64_t steps = scheduler.at("num_train_timesteps").get<int64_t>();
  const bool scaled = scheduler.at("beta_schedule").get<std::string>() == "scaled_linear";
  const at::Tensor betas = scaled ? at::linspace(std::sqrt(start), std::sqrt(end), steps, at::kDouble).square()
                                  : at::linspace(start, end, steps, at::kDouble);
  return (1 - betas).cumprod(0).to(at::kFloat);
}

}  // namespace

DenoiserStage::DenoiserStage(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder)
    : recipe_(recipe), options_(options), autoencoder_(autoencoder), scenes_(scene_options(recipe)) {
  export_model_frame(options.out / "model", recipe, Json::object());
  tokenizer_ = std::make_unique<ClipTokenizer>(ClipTokenizer::open(options.out / "model" / "tokenizer"));
  Json text = recipe.text_encoder;
  text["vocab_size"] = tokenizer_->vocabulary_size();
  text["eos_token_id"] = tokenizer_->eos_id();
  text["bos_token_id"] = tokenizer_->bos_id();
  text_ = std::make_unique<ClipTextEncoder>(ParameterScope(text_parameters_),
                                            ClipTextConfig::from_json(text, "recipe [text_encoder]"));
  unet_ = std::make_unique<Unet>(ParameterScope(unet_parameters_), UnetConfig::from_json(recipe.unet, "recipe [unet]"));
  text_parameters_.initialise(mix_seed(recipe.seed, kDenoiserStream, 0));
  unet_parameters_.initialise(mix_seed(recipe.seed, kDenoiserStream, 1));
  if (!options.from.empty()) {
    load_weights(text_parameters_, {options.from / "text_encoder" / "model.safetensors"}, {});
    load_weights(unet_parameters_, {options.from / "unet" / "diffusion_pytorch_model.safetensors"}, {});
  }
  for (Parameters* part : {&text_parameters_, &unet_parameters_}) {
    for (const Parameter& p : part->all()) p.tensor.set_data(p.tensor.to(options.device));
    joint_.adopt(*part, part == &text_parameters_ ? "text_encoder." : "unet.");
  }
  joint_.require_grad(true);
  alphas_cumprod_ = alphas_cumprod(recipe.scheduler).to(options.device);
}

void DenoiserStage::encode_into_pool(int64_t first_scene, const std::vector<int64_t>& rows) {
  std::vector<Scene> scenes;
  const uint64_t seed = mix_seed(recipe_.seed, kDenoiserStream, 2);
  for (std::size_t i = 0; i < rows.size(); ++i)
    scenes.push_back(make_scene(scenes_, seed, static_cast<uint64_t>(first_scene) + i));
  const at::Tensor latents = autoencoder_.encode(scene_pixels(scenes, scenes_).to(options_.device));
  if (!pool_latents_.defined()) {
    std::vector<int64_t> shape = latents.sizes().vec();
    shape[0] = recipe_.pool;
    pool_latents_ = at::empty(shape, latents.options());
    pool_scenes_.resize(static_cast<std::size_t>(recipe_.pool));
  }
  pool_latents_.index_copy_(0, at::tensor(rows, at::kLong).to(latents.device()), latents);
  for (std::size_t i = 0; i < rows.size(); ++i) pool_scenes_[static_cast<std::size_t>(rows[i])] = scenes[i];
}

void DenoiserStage::fill_pool() {
  for (int64_t begin = 0; begin < recipe_.pool; begin += kEncodeBatch) {
    std::vector<int64_t> rows;
    for (int64_t i = begin; i < std::min(begin + kEncodeBatch, recipe_.pool); ++i) rows.push_back(i);
    encode_into_pool(begin, rows);
  }
}

// An eighth of every batch is new: over a long run the model sees far more scenes than fit in memory.
void DenoiserStage::refresh_pool(int64_t step) {
  const int64_t fresh = std::max<int64_t>(1, recipe_.denoiser.batch / 8);
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < fresh; ++i) rows.push_back((step * fresh + i) % recipe_.pool);
  encode_into_pool(recipe_.pool + step * fresh, rows);
}

at::Tensor DenoiserStage::loss(int64_t step) {
  refresh_pool(step);
  const int64_t batch = recipe_.denoiser.batch;
  at::Generator generator = at::detail::createCPUGenerator(mix_seed(recipe_.seed, kDenoiserStream + 1, step));
  const at::Tensor rows = at::randint(recipe_.pool, {batch}, generator, at::TensorOptions(at::kLong));
  const at::Tensor t = at::randint(alphas_cumprod_.size(0), {batch}, generator, at::TensorOptions(at::kLong));
  const at::Tensor dropped = at::rand({batch}, generator, at::TensorOptions(at::kFloat)).lt(recipe_.text_drop);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < batch; ++i) {
    const Scene& scene = pool_scenes_[static_cast<std::size_t>(rows[i].item<int64_t>())];
    const std::string text = dropped[i].item<bool>()
                                 ? ""
                                 : caption(scene, scenes_, mix_seed(recipe_.seed, kDenoiserStream + 2, step * batch + i));
    const TokenizedPrompt prompt = tokenizer_->encode(text, static_cast<int>(recipe_.text_length));
    ids.insert(ids.end(), prompt.ids.begin(), prompt.ids.end());
  }
  const auto device = pool_latents_.device();
  const at::Tensor id_tensor = at::tensor(ids, at::kLong).view({batch, recipe_.text_length}).to(device);
  const at::Tensor clean = pool_latents_.index_select(0, rows.to(device));
  const at::Tensor noise = at::randn(clean.sizes(), generator, at::TensorOptions(at::kFloat)).to(device);
  const at::Tensor abar = alphas_cumprod_.index_select(0, t.to(device)).view({batch, 1, 1, 1});
  const at::Tensor noisy = abar.sqrt() * clean + (1 - abar).sqrt() * noise;
  UnetInputs in;
  in.sample = noisy;
  in.timesteps = t.to(device, at::kFloat);
  in.text = text_->forward(id_tensor, {}, {}).last;
  const at::Tensor snr = (abar / (1 - abar)).view({batch});
  const at::Tensor weight = snr.clamp_max(recipe_.min_snr_gamma) / snr;
  return ((unet_->forward(in, {}) - noise).square().mean({1, 2, 3}) * weight).mean();
}

bool DenoiserStage::run(std::chrono::steady_clock::time_point deadline) {
  const LoopPlan plan{.stage = "denoiser",
                      .recipe = recipe_.denoiser,
                      .recipe_hash = sha256_hex(recipe_.unet.dump() + recipe_.text_encoder.dump() + recipe_.name).substr(0, 16),
                      .checkpoint = options_.out / "denoiser.checkpoint.safetensors",
                      .log = options_.out / "log.jsonl"};
  TrainingLoop loop(joint_, plan, options_, deadline);
  fill_pool();
  const bool done = loop.run([&](int64_t step) { return loss(step); }, [&] {
    samples_ = loop.samples();
    export_weights(loop.optimiser());
  });
  samples_ = loop.samples();
  return done;
}

void DenoiserStage::export_weights(const AdamW& optimiser) {
  const auto& average = optimiser.average();
  const auto split = static_cast<std::ptrdiff_t>(text_parameters_.all().size());
  const std::vector<at::Tensor> text(average.begin(), average.begin() + split), unet(average.begin() + split, average.end());
  Json text_config = recipe_.text_encoder;
  text_config["vocab_size"] = tokenizer_->vocabulary_size();
  text_config["eos_token_id"] = tokenizer_->eos_id();
  text_config["bos_token_id"] = tokenizer_->bos_id();
  const auto model = options_.out / "model";
  export_component(model / "text_encoder", "model.safetensors", text_config, text_parameters_, text, at::kHalf);
  export_component(model / "unet", "diffusion_pytorch_model.safetensors", recipe_.unet, unet_parameters_, unet, at::kHalf);
  export_model_frame(model, recipe_, {{"denoiser_samples", samples_},
                                      {"autoencoder_samples", autoencoder_.samples()},
                                      {"seed", recipe_.seed},
                                      {"libtorch", TORCH_VERSION}});
}

}  // namespace safelight
