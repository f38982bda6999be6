#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "common/base/error.h"
#include "common/base/sha256.h"
#include "engine/training/model_export.h"
#include "engine/training/train_stages.h"

namespace safelight {
namespace {

constexpr uint64_t kCascadeStream = 31;

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::conflict, "recipe: " + what); }

// That the trained model will be an upscaler to the family that opens it, and that its parts fit.
void require_upscaler(const Recipe& recipe, const UnetConfig& unet, const FrozenAutoencoder& autoencoder, const FrozenText& text) {
  const int64_t channels = autoencoder.config().latent_channels, factor = autoencoder.config().downscale();
  if (unet.out_channels != channels || unet.in_channels != channels + 3)
    refuse("[unet] must have " + std::to_string(channels + 3) + " in_channels (the autoencoder's latent and the small picture) and " +
           std::to_string(channels) + " out_channels");
  if (unet.cross_attention_dim != text.config().hidden_size)
    refuse("[unet] cross_attention_dim must be " + std::to_string(text.config().hidden_size) + ", the width of the text encoder");
  if (recipe.low_px * factor != recipe.image_px || unet.sample_size != recipe.low_px)
    refuse("the autoencoder makes " + std::to_string(factor) + " pixels of one: image_px must be " + std::to_string(factor) +
           " times low_px, and [unet] sample_size must be low_px");
}

NoiseLevels noise_levels(const Json& json, const std::string& where) {
  const SchedulerConfig config = SchedulerConfig::from_json(json, where);
  if (config.prediction != Prediction::epsilon && config.prediction != Prediction::v_prediction)
    throw Error(ErrorCode::unsupported, where + ": prediction_type must be epsilon or v_prediction");
  return {at::tensor(NoiseTable(config).alphas_cumprod(), at::kFloat), config.prediction == Prediction::v_prediction};
}

// Shares of the picture and of the noise at these levels, int64 [B] -> two of [B,1,1,1].
std::pair<at::Tensor, at::Tensor> signal_and_noise(const NoiseLevels& noise, const at::Tensor& levels) {
  const at::Tensor abar = noise.alphas_cumprod.index_select(0, levels).view({-1, 1, 1, 1});
  return {abar.sqrt(), (1 - abar).sqrt()};
}

}  // namespace

CascadeStage::CascadeStage(const Recipe& recipe, const TrainOptions& options)
    : recipe_(recipe), options_(options), autoencoder_(options.from, options.device), text_(options.from, options.device),
      noise_(noise_levels(recipe.scheduler, "recipe [scheduler]")), low_noise_(noise_levels(recipe.low_res_scheduler, "recipe [low_res_scheduler]")) {
  const UnetConfig config = UnetConfig::from_json(recipe.unet, "recipe [unet]");
  require_upscaler(recipe, config, autoencoder_, text_);
  if (low_noise_.alphas_cumprod.size(0) != config.num_class_embeds)
    refuse("[unet] num_class_embeds must be the number of noise levels, num_train_timesteps of [low_res_scheduler]");
  unet_ = std::make_unique<Unet>(ParameterScope(parameters_), config);
  parameters_.initialise(mix_seed(recipe.seed, kCascadeStream, 0));
  for (const Parameter& p : parameters_.all()) p.tensor.set_data(p.tensor.to(options.device));
  parameters_.require_grad(true);
  for (NoiseLevels* levels : {&noise_, &low_noise_}) levels->alphas_cumprod = levels->alphas_cumprod.to(options.device);
}

// The small picture, and the latent of the large one.
ScenePairRows CascadeStage::rendered(const std::vector<Scene>& scenes) const {
  const auto drawn = [&](int64_t side) { return scene_pixels(scenes, static_cast<int>(side)).to(options_.device); };
  return {drawn(recipe_.low_px), autoencoder_.encode(drawn(recipe_.image_px))};
}

// Mean square of the raw output, with the small picture noised by a level that the network is told (Ho et al., arXiv:2106.15282).
at::Tensor CascadeStage::loss(int64_t step) {
  const int64_t batch = recipe_.cascade.batch;
  pairs_->refresh(step);
  at::Generator generator = at::detail::createCPUGenerator(mix_seed(recipe_.seed, kCascadeStream + 1, step));
  const auto integers = [&](int64_t below) { return at::randint(below, {batch}, generator, at::TensorOptions(at::kLong)); };
  const at::Tensor rows = integers(recipe_.pool), t = integers(noise_.alphas_cumprod.size(0)), level = integers(low_noise_.alphas_cumprod.size(0));
  const at::Tensor dropped = at::rand({batch}, generator, at::TensorOptions(at::kFloat)).lt(recipe_.text_drop);
  std::vector<const Scene*> scenes;
  std::vector<bool> without_text;
  for (int64_t i = 0; i < batch; ++i) {
    scenes.push_back(&pairs_->scene(rows[i].item<int64_t>()));
    without_text.push_back(dropped[i].item<bool>());
  }
  const CaptionBatch captions =
      caption_batch(scenes, without_text, mix_seed(recipe_.seed, kCascadeStream + 2, step), text_.tokenizer(), text_.config().max_position_embeddings);
  const ScenePairRows pair = pairs_->draw(rows);
  const auto device = pair.high.device();
  const auto dtype = parameters_.all().front().tensor.scalar_type();
  const auto drawn = [&](const at::Tensor& like) { return at::randn(like.sizes(), generator, at::TensorOptions(at::kFloat)).to(device); };
  const auto [a, s] = signal_and_noise(noise_, t.to(device));
  const auto [low_a, low_s] = signal_and_noise(low_noise_, level.to(device));
  const at::Tensor noise = drawn(pair.high), low = low_a * pair.low + low_s * drawn(pair.low);
  UnetInputs in;
  in.sample = at::cat({a * pair.high + s * noise, low}, 1).to(dtype);
  in.timesteps = t.to(device, at::kFloat);
  in.class_labels = level.to(device);
  in.text = text_.encode(captions.ids.to(device)).to(dtype);
  const at::Tensor target = noise_.predicts_v ? a * noise - s * pair.high : noise;
  return (unet_->forward(in, {}).to(at::kFloat) - target).square().mean();
}

bool CascadeStage::run(Deadline deadline) {
  const StageRecipe& s = recipe_.cascade;
  const Json decisive = {{"recipe", recipe_.name}, {"seed", recipe_.seed}, {"scenes", to_json(recipe_.scenes)}, {"image_px", recipe_.image_px},
                         {"low_px", recipe_.low_px}, {"unet", recipe_.unet}, {"scheduler", recipe_.scheduler},
                         {"low_res_scheduler", recipe_.low_res_scheduler}, {"autoencoder", autoencoder_.weights_hash()},
                         {"text_encoder", text_.weights_hash()}, {"text_drop", recipe_.text_drop}, {"pool", recipe_.pool}, {"batch", s.batch},
                         {"bfloat16", s.bfloat16}};
  const LoopPlan plan{.stage = "cascade", .recipe = s, .recipe_hash = sha256_hex(decisive.dump()).substr(0, 16)};
  TrainingLoop loop(parameters_, plan, options_, deadline);
  for (const char* part : {"vae", "text_encoder", "tokenizer"}) copy_part(options_.from, options_.out / "model", part);
  pairs_ = std::make_unique<ScenePairs>(ScenePairsPlan{.world = recipe_.scenes,
                                                       .seed = mix_seed(recipe_.seed, kCascadeStream, 1),
                                                       .pool = recipe_.pool,
                                                       .batch = s.batch,
                                                       .step = loop.step(),
                                                       .make = [this](const std::vector<Scene>& scenes) { return rendered(scenes); }});
  const bool done = loop.run([&](int64_t step) { return loss(step); }, [&] { export_weights(loop.optimiser()); });
  samples_ = loop.samples();
  return done;
}

void CascadeStage::export_weights(const AdamW& optimiser) const {
  const auto model = options_.out / "model";
  export_component(model / "unet", "diffusion_pytorch_model.safetensors", recipe_.unet, parameters_, optimiser.average(), at::kHalf);
  export_model_frame(model, recipe_, options_,
                     {.index = {{"_class_name", "StableDiffusionUpscalePipeline"}, {"max_noise_level", low_noise_.alphas_cumprod.size(0) - 1},
                                {"image_encoder", Json()}, {"requires_safety_checker", Json()}},
                      .safelight = {{"upscaler", {{"kind", "cascade"}, {"factor", autoencoder_.config().downscale()}, {"low_px", recipe_.low_px}}}}});
}

}  // namespace safelight
