#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "common/base/error.h"
#include "common/base/sha256.h"
#include "engine/training/model_export.h"
#include "engine/training/scene_render.h"
#include "engine/training/train_stages.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

constexpr uint64_t kAutoencoderStream = 1;

at::Tensor noise_like(const at::Tensor& t, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(t.sizes(), generator, at::TensorOptions(at::kFloat)).to(t.device());
}

// Horizontal and vertical differences: edges carry the shapes.
at::Tensor edge_loss(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor d = a - b;
  return (d.slice(2, 1) - d.slice(2, 0, -1)).abs().mean() + (d.slice(3, 1) - d.slice(3, 0, -1)).abs().mean();
}

}  // namespace

at::Tensor scene_pixels(const std::vector<Scene>& scenes, const SceneOptions& options) {
  const int64_t n = static_cast<int64_t>(scenes.size()), side = options.image_px;
  at::Tensor bytes = at::empty({n, side, side, 3}, at::kByte);
  for (int64_t i = 0; i < n; ++i)
    render_scene(scenes[static_cast<std::size_t>(i)], options, bytes[i].data_ptr<uint8_t>());
  return bytes.permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1).contiguous();
}

AutoencoderStage::AutoencoderStage(const Recipe& recipe, const TrainOptions& options)
    : recipe_(recipe), options_(options), scenes_(scene_options(recipe)) {
  const auto config = AutoencoderKlConfig::from_json(recipe.vae, "recipe [vae]");
  model_ = std::make_unique<AutoencoderKl>(ParameterScope(parameters_), config);
  parameters_.initialise(mix_seed(recipe.seed, kAutoencoderStream, 0));
  const auto given = options.from / "vae" / "diffusion_pytorch_model.safetensors";
  if (!options.from.empty()) load_weights(parameters_, {given}, {});
}

at::Tensor AutoencoderStage::loss(int64_t step) const {
  const int64_t batch = recipe_.autoencoder.batch;
  std::vector<Scene> scenes;
  for (int64_t i = 0; i < batch; ++i)
    scenes.push_back(make_scene(scenes_, mix_seed(recipe_.seed, kAutoencoderStream, 1), step * batch + i));
  const at::Tensor pixels = scene_pixels(scenes, scenes_).to(options_.device);
  const LatentGaussian latent = model_->encode(pixels, {});
  const at::Tensor eps = noise_like(latent.mean, mix_seed(recipe_.seed, kAutoencoderStream + 10, step));
  const at::Tensor decoded = model_->decode(latent.sample(eps), {});
  const at::Tensor kl = 0.5 * (latent.mean.square() + latent.logvar.exp() - 1 - latent.logvar).sum({1, 2, 3}).mean();
  const at::Tensor difference = decoded - pixels;
  return difference.abs().mean() + difference.square().mean() + 0.5 * edge_loss(decoded, pixels) +
         recipe_.kl_weight * kl;
}

bool AutoencoderStage::run(std::chrono::steady_clock::time_point deadline) {
  for (const Parameter& p : parameters_.all()) p.tensor.set_data(p.tensor.to(options_.device));
  parameters_.require_grad(true);
  const LoopPlan plan{.stage = "autoencoder",
                      .recipe = recipe_.autoencoder,
                      .recipe_hash = sha256_hex(recipe_.vae.dump() + recipe_.name).substr(0, 16),
                      .checkpoint = options_.out / "autoencoder.checkpoint.safetensors",
                      .log = options_.out / "log.jsonl"};
  TrainingLoop loop(parameters_, plan, options_, deadline);
  const bool trains = options_.stages != "denoiser" || std::filesystem::exists(plan.checkpoint);
  const bool done = trains ? loop.run([&](int64_t step) { return loss(step); }, nullptr) : true;
  samples_ = loop.samples();
  parameters_.require_grad(false);
  for (std::size_t i = 0; i < parameters_.all().size(); ++i)
    parameters_.all()[i].tensor.copy_(loop.optimiser().average()[i]);
  if (done) measure_and_export();
  return done;
}

void AutoencoderStage::measure_and_export() {
  at::NoGradGuard no_grad;
  std::vector<Scene> scenes;
  for (uint64_t i = 0; i < 512; ++i) scenes.push_back(make_scene(scenes_, mix_seed(recipe_.seed, kAutoencoderStream, 2), i));
  scaling_ = 1.0;
  const at::Tensor latents = encode(scene_pixels(scenes, scenes_).to(options_.device));
  scaling_ = 1.0 / latents.std().item<double>();
  Json config = recipe_.vae;
  config["scaling_factor"] = scaling_;
  std::vector<at::Tensor> values;
  for (const Parameter& p : parameters_.all()) values.push_back(p.tensor);
  export_component(options_.out / "model" / "vae", "diffusion_pytorch_model.safetensors", config, parameters_, values,
                   at::kHalf);
}

at::Tensor AutoencoderStage::encode(const at::Tensor& pixels) const {
  at::NoGradGuard no_grad;
  return model_->encode(pixels, {}).mean * scaling_;
}

}  // namespace safelight
