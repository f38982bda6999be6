// The transformer from low-resolution to high-resolution latents, between an autoencoder's two halves.
#include <ATen/ATen.h>

#include <cmath>

#include "apps/cli/enlarger.h"
#include "apps/cli/tiled_parts.h"
#include "common/base/error.h"
#include "engine/families/model_files.h"
#include "engine/families/parts.h"
#include "engine/pipelines/pictures.h"
#include "engine/upscalers/latent_transformer.h"

namespace safelight::app {
namespace {

constexpr int kMostPasses = 3;
constexpr int kTile_px = 1024;        // of the small picture; smaller tiles take less memory, but the autoencoder's normalisation sees less of the picture
constexpr int64_t kOverlap_cells = 16;
constexpr std::uint64_t kSmallBytes = std::uint64_t{64} << 20;

Image through(const Autoencoder& autoencoder, const Image& picture) {
  const auto cell = static_cast<int>(autoencoder.downscale());
  if (picture.width % cell != 0 || picture.height % cell != 0)
    throw Error(ErrorCode::invalid_argument, "this upscaler takes pictures whose sides are multiples of " + std::to_string(cell));
  at::NoGradGuard no_grad;
  return image_of(autoencoder.decode(autoencoder.encode(tensor_of(picture), {}, {}), {})[0]);
}

class LatentEnlarger final : public Enlarger {
 public:
  LatentEnlarger(const std::filesystem::path& model, int factor, int passes)
      : factor_(factor),
        passes_(passes),
        autoencoder_(std::make_shared<KlAutoencoder>(component_of(model / "vae", "diffusion_pytorch_model"), LoadOptions{})),
        network_(component_of(model / "latent_upscaler", "diffusion_pytorch_model"), {}) {
    if (network_.config().latent_channels != autoencoder_->latent_channels())
      throw Error(ErrorCode::conflict, "'" + model.string() + "': the upscaler takes latents of " + std::to_string(network_.config().latent_channels) +
                                           " channels, the autoencoder has " + std::to_string(autoencoder_->latent_channels()));
  }
  std::uint64_t bytes() const { return autoencoder_->bytes() + network_.bytes(); }

  int factor() const override { return factor_; }
  Image enlarged(const Image& small, const UpscaleOptions& o) const override {
    at::NoGradGuard no_grad;
    const at::Tensor pixels = tensor_of(filled_up(small, static_cast<int>(cell())));
    require_size(small, pixels);
    int done = 0, all = 0;
    const auto told = [&] {
      if (o.cancelled && o.cancelled()) throw Error(ErrorCode::cancelled, "stopped after " + std::to_string(done) + " of " + std::to_string(all) + " parts of the work");
      if (o.progress) o.progress(++done, all);
    };
    Tiling tiles{.side = (o.side_px == UpscaleOptions::kUsual ? kTile_px : o.side_px) / cell(), .overlap = o.overlap_px == UpscaleOptions::kUsual ? kOverlap_cells : o.overlap_px / cell(), .grid = 1, .done = told};
    Tiling large_tiles = tiles;
    large_tiles.side *= factor_;
    const int64_t rows = pixels.size(2) / cell(), columns = pixels.size(3) / cell();
    all = static_cast<int>(tiles_of(rows, columns, tiles) + tiles_of(rows * factor_, columns * factor_, large_tiles)) + passes_;
    at::Tensor latents = tiled(autoencoder_, tiles)->encode(pixels, {}, {});
    // Windows all over: its cost grows with the picture alone, and nothing has to be cut.
    for (int pass = 0; pass < passes_; ++pass) latents = network_.model.forward(latents, {}), told();
    const at::Tensor large = tiled(autoencoder_, large_tiles)->decode(latents, {})[0];
    if (!at::isfinite(large).all().item<bool>()) throw Error(ErrorCode::non_finite, "the upscaler gave numbers that are not finite");
    return like(small, image_of(large.slice(1, 0, small.height * factor_).slice(2, 0, small.width * factor_)));
  }
  Image seen(const Image& small) const override { return through(*autoencoder_, small); }
  Image round_trip(const Image& picture) const override { return through(*autoencoder_, picture); }
  Json settings() const override { return {{"passes", passes_}}; }

 private:
  int64_t cell() const { return autoencoder_->downscale(); }

  void require_size(const Image& small, const at::Tensor& pixels) const {
    const int64_t most = LatentTransformer::kMaxSide * cell() * 2 / factor_;   // the last pass begins at half the result
    if (pixels.size(2) <= most && pixels.size(3) <= most) return;
    throw Error(ErrorCode::unsupported, "this upscaler takes pictures of up to " + std::to_string(most) + " pixels a side at a factor of " + std::to_string(factor_) + "; this one has " +
                                            std::to_string(small.width) + "x" + std::to_string(small.height));
  }

  int factor_, passes_;
  std::shared_ptr<const KlAutoencoder> autoencoder_;
  Loaded<LatentTransformer, LatentTransformerConfig> network_;
};

}  // namespace

std::unique_ptr<Enlarger> open_latent_enlarger(const std::filesystem::path& model, const UpscalerKind& kind, int factor, Context& context) {
  int passes = 0, made = 1;
  for (; made < factor && passes < kMostPasses; ++passes) made *= kind.factor;
  if (made != factor || passes == 0)
    throw Error(ErrorCode::invalid_argument, "this model enlarges by " + std::to_string(kind.factor) + " in a pass, " + std::to_string(kMostPasses) +
                                                 " times at most; a factor of " + std::to_string(factor) + " cannot be made");
  auto enlarger = std::make_unique<LatentEnlarger>(model, factor, passes);
  choose_threads(context, enlarger->bytes() < kSmallBytes);
  return enlarger;
}

}  // namespace safelight::app
