#include "apps/cli/enlarger.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/formats/png.h"
#include "engine/families/model_files.h"
#include "engine/families/parts.h"
#include "engine/pipelines/pictures.h"
#include "engine/upscalers/latent_transformer.h"

namespace safelight::app {
namespace {

constexpr int kMostPasses = 3;

Image through(const Autoencoder& autoencoder, const Image& picture) {
  at::NoGradGuard no_grad;
  return image_of(autoencoder.decode(autoencoder.encode(tensor_of(picture), {}, {}), {})[0]);
}

class LatentEnlarger final : public Enlarger {
 public:
  LatentEnlarger(const std::filesystem::path& model, int passes)
      : passes_(passes),
        autoencoder_(component_of(model / "vae", "diffusion_pytorch_model"), {}),
        network_(component_of(model / "latent_upscaler", "diffusion_pytorch_model"), {}) {
    if (network_.config().latent_channels != autoencoder_.latent_channels())
      throw Error(ErrorCode::conflict, "'" + model.string() + "': the upscaler takes latents of " + std::to_string(network_.config().latent_channels) +
                                           " channels, the autoencoder has " + std::to_string(autoencoder_.latent_channels()));
  }
  Image enlarged(const EnlargeTask& task) override {
    const auto cell = static_cast<int>(autoencoder_.downscale());
    if (task.small.width % cell != 0 || task.small.height % cell != 0)
      throw Error(ErrorCode::invalid_argument, "this upscaler takes pictures whose sides are multiples of " + std::to_string(cell));
    at::NoGradGuard no_grad;
    at::Tensor latents = autoencoder_.encode(tensor_of(task.small), {}, {});
    for (int pass = 0; pass < passes_; ++pass) latents = network_.model.forward(latents, {});
    return image_of(autoencoder_.decode(latents, {})[0]);
  }
  Image seen(const Image& small) override { return through(autoencoder_, small); }
  Image round_trip(const Image& picture) override { return through(autoencoder_, picture); }
  Json settings() const override { return {{"passes", passes_}}; }

 private:
  int passes_;
  KlAutoencoder autoencoder_;
  Loaded<LatentTransformer, LatentTransformerConfig> network_;
};

class CascadeEnlarger final : public Enlarger {
 public:
  CascadeEnlarger(GenerateRequest request, Context& context)
      : request_(std::move(request)), context_(context), file_(std::filesystem::temp_directory_path() / fmt::format("safelight-small-{}.png", ::getpid())) {
    request_.probes = "none";
    request_.count = 1;
    request_.picture.file = file_.string();
  }
  ~CascadeEnlarger() override {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }
  Image enlarged(const EnlargeTask& task) override {
    write_file_atomic(file_, encode_png(task.small, {}, 0));
    request_.prompt = task.prompt;
    request_.seed = task.seed;
    FinishedRun run = context_.engine().generate(request_, {}, {}, {.progress = {}, .cancelled = stop_requested});
    settings_ = run.result.resolved;
    for (const char* varying : {"prompt", "seed", "count", "probes", "picture"}) settings_.erase(varying);
    settings_["noise_level"] = request_.picture.noise_level;
    return std::move(run.result.images.at(0));
  }
  Image seen(const Image& small) override { return small; }
  Image round_trip(const Image& picture) override { return through(*context_.engine().open(request_)->autoencoder, picture); }
  Json settings() const override { return settings_; }

 private:
  GenerateRequest request_;
  Context& context_;
  std::filesystem::path file_;
  Json settings_ = Json::object();
};

}  // namespace

bool is_upscaler(const std::filesystem::path& model) {
  const auto file = model / "safelight.json";
  if (!std::filesystem::exists(file)) return false;
  const Json about = read_json(file);
  return about.is_object() && about.contains("upscaler");
}

UpscalerKind upscaler_kind(const std::filesystem::path& model) {
  const auto file = model / "safelight.json";
  const Json about = read_json(file);
  UpscalerKind kind;
  try {
    const Json& said = about.at("upscaler");
    kind = {said.at("kind").get<std::string>(), said.at("factor").get<int>(), said.at("low_px").get<int>()};
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "', upscaler: " + e.what());
  }
  const bool known = kind.kind == "latent" || kind.kind == "cascade";
  if (!known || kind.factor < 2 || kind.factor > 16 || kind.low_px < 1 || kind.low_px > 4096)
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "', upscaler: kind is latent or cascade, factor 2 to 16, low_px 1 to 4096");
  return kind;
}

std::unique_ptr<Enlarger> open_enlarger(const std::filesystem::path& model, int factor, const GenerateRequest& request, Context& context) {
  const UpscalerKind kind = upscaler_kind(model);
  if (kind.kind == "cascade") {
    if (factor != kind.factor)
      throw Error(ErrorCode::invalid_argument, "this model enlarges by " + std::to_string(kind.factor) + ", not by " + std::to_string(factor));
    return std::make_unique<CascadeEnlarger>(request, context);
  }
  int passes = 0, made = 1;
  for (; made < factor && passes < kMostPasses; ++passes) made *= kind.factor;
  if (made != factor || passes == 0)
    throw Error(ErrorCode::invalid_argument, "this model enlarges by " + std::to_string(kind.factor) + " in a pass, " + std::to_string(kMostPasses) +
                                                 " times at most; a factor of " + std::to_string(factor) + " cannot be made");
  return std::make_unique<LatentEnlarger>(model, passes);
}

}  // namespace safelight::app
