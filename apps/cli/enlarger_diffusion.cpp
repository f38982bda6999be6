// Diffusion models that see the small picture: the cascaded upscaler, and the published x4 one. Large pictures are denoised in tiles over one latent.
#include <ATen/ATen.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <utility>

#include "apps/cli/enlarger.h"
#include "apps/cli/tiled_parts.h"
#include "common/base/error.h"
#include "common/measure/part_statistics.h"
#include "engine/facade/run_inputs.h"
#include "engine/pipelines/run.h"

namespace safelight::app {
namespace {

constexpr int64_t kTile_px = 128;    // of the small picture, which the latent has the size of: what published x4 upscalers were trained with
constexpr int64_t kOverlap_px = 32;
constexpr int64_t kGrid_px = 8;      // three halvings of a UNet
constexpr int kRequestUnit_px = 8;

class DiffusionEnlarger final : public Enlarger {
 public:
  DiffusionEnlarger(GenerateRequest request, std::shared_ptr<const Components> model) : request_(std::move(request)), model_(std::move(model)) {
    request_.probes = "none";
    request_.count = 1;
    if (model_->denoiser->beside() != Beside::low_resolution_image)
      throw Error(ErrorCode::unsupported, "'" + model_->directory.string() + "' paints from a prompt and enlarges no picture; use it with `safelight generate`");
  }

  int factor() const override { return static_cast<int>(model_->autoencoder->downscale()); }
  Image enlarged(const Image& small, const UpscaleOptions& o) const override {
    GenerateRequest request = request_;
    request.prompt = o.prompt;
    request.seed = o.seed;
    RunOptions options;
    options.inputs = run_inputs(*model_, request, filled_up(small, unit()), std::nullopt);
    require_no(check(request), "the picture to enlarge");
    options.cancelled = o.cancelled;
    if (o.progress) options.progress = [&](const RunProgress& p) { if (p.total > 0) o.progress(p.step, p.total); };
    const GenerateResult result = run(in_tiles(small, o), request, std::move(options));
    if (!at::isfinite(result.pixels).all().item<bool>()) throw Error(ErrorCode::non_finite, "'" + model_->directory.string() + "' gave numbers that are not finite; try other --steps or --seed");
    Json settings = result.resolved;
    for (const char* varying : {"prompt", "seed", "count", "probes", "picture", "width", "height"}) settings.erase(varying);
    settings["noise_level"] = request.picture.noise_level;
    {
      const std::lock_guard lock(mutex_);
      settings_ = std::move(settings);
    }
    return like(small, cropped(result.images.at(0), {0, 0, small.width * factor(), small.height * factor()}));
  }
  Image seen(const Image& small) const override { return small; }
  Image round_trip(const Image& picture) const override {
    at::NoGradGuard no_grad;
    return image_of(model_->autoencoder->decode(model_->autoencoder->encode(tensor_of(picture), {}, {}), {})[0]);
  }
  Json settings() const override {
    const std::lock_guard lock(mutex_);
    return settings_;
  }

 private:
  // Sides of what is drawn are multiples of 8 pixels.
  int unit() const { return std::max(1, kRequestUnit_px / std::gcd(kRequestUnit_px, factor())); }

  Components in_tiles(const Image& small, const UpscaleOptions& o) const {
    Tiling tiling{.side = o.side_px == UpscaleOptions::kUsual ? kTile_px : o.side_px, .overlap = o.overlap_px == UpscaleOptions::kUsual ? kOverlap_px : o.overlap_px, .grid = kGrid_px};
    Components out = *model_;
    if (tiles_of(small.height, small.width, tiling) == 1) return out;
    if (o.cancelled) tiling.done = [&o] { if (o.cancelled()) throw Error(ErrorCode::cancelled, "stopped between two tiles"); };
    out.denoiser = tiled(model_->denoiser, tiling);
    out.autoencoder = tiled(model_->autoencoder, tiling);
    return out;
  }

  GenerateRequest request_;
  std::shared_ptr<const Components> model_;
  mutable std::mutex mutex_;                 // several pictures may be enlarged at once
  mutable Json settings_ = Json::object();   // of the last picture
};

}  // namespace

std::unique_ptr<Enlarger> open_diffusion_enlarger(const GenerateRequest& request, Context& context) {
  const std::shared_ptr<const Components> model = context.engine().open(request);
  choose_threads_for(context, model->weight_bytes);
  return std::make_unique<DiffusionEnlarger>(request, model);
}

}  // namespace safelight::app
