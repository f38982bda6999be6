// Swin2SR. Everything in it works on windows and small surroundings, so that tiles give what one piece gives.
#include <ATen/ATen.h>

#include <algorithm>

#include "apps/cli/enlarger.h"
#include "common/base/error.h"
#include "engine/families/model_files.h"
#include "engine/families/parts.h"
#include "engine/pipelines/pictures.h"
#include "engine/upscalers/swin2sr.h"

namespace safelight::app {
namespace {

constexpr int64_t kUpsampler_px = 6;   // what the convolutions of any of the upsamplers reach together, in pixels of the small picture

// How far from a pixel of the result the small picture can matter: its surroundings are followed back through the layers, for every place that a pixel
// can have in its window.
int64_t reach_of(const Swin2srConfig& c) {
  const int64_t window = c.window_size, far = window << 20;   // a multiple of the window, so that nothing is negative
  int64_t reach = 0;
  for (int64_t place = far; place < far + window; ++place) {
    int64_t low = place - kUpsampler_px, high = place + kUpsampler_px;
    const auto convolved = [&](int64_t px) { low -= px, high += px; };
    const auto attended = [&](int64_t shift) { low = (low - shift) / window * window + shift, high = (high - shift) / window * window + shift + window - 1; };
    convolved(1);
    for (auto depth = c.depths.rbegin(); depth != c.depths.rend(); ++depth) {
      convolved(c.resi_connection == "3conv" ? 2 : 1);
      for (int64_t layer = *depth; layer-- > 0;) attended(layer % 2 == 1 ? c.shift() : 0);
    }
    convolved(1);
    reach = std::max({reach, place - low, high - place});
  }
  return reach;
}

class Swin2srUpscaler final : public PieceUpscaler {
 public:
  explicit Swin2srUpscaler(const std::filesystem::path& model) : model_(model), network_(component_of(model, "model"), {.rename = swin2sr_key}), reach_px_(static_cast<int>(reach_of(config()))) {
    const auto fits = [](int64_t channels) { return channels == 1 || channels == 3; };
    if (!fits(config().in_channels) || config().in_channels != config().out_channels)
      throw Error(ErrorCode::unsupported, "'" + model.string() + "' makes " + std::to_string(config().out_channels) + " channels of " + std::to_string(config().in_channels) + "; pictures have 1 or 3");
  }
  int factor() const override { return static_cast<int>(config().upscale); }

 protected:
  Image piece_enlarged(const Image& piece) const override {
    if (piece.channels > config().in_channels) throw Error(ErrorCode::unsupported, "'" + model_.string() + "' enlarges gray pictures, and this one has colours");
    at::NoGradGuard no_grad;
    const at::Tensor pixels = tensor_of(piece).narrow(1, 0, config().in_channels) / 2 + 0.5;
    const at::Tensor large = network_.model.forward(pixels, {})[0];
    if (!at::isfinite(large).all().item<bool>()) throw Error(ErrorCode::non_finite, "'" + model_.string() + "' gave numbers that are not finite");
    return like(piece, image_of((large * 2 - 1).expand({3, -1, -1})));
  }
  int reach_px() const override { return reach_px_; }
  int grid_px() const override { return static_cast<int>(config().window_size); }
  int tile_px() const override { return 256; }   // with its surroundings about half a gigabyte of features in the published sizes

 private:
  const Swin2srConfig& config() const { return network_.config(); }

  std::filesystem::path model_;
  Loaded<Swin2sr, Swin2srConfig> network_;
  int reach_px_;
};

}  // namespace

std::unique_ptr<Upscaler> open_swin2sr(const std::filesystem::path& model, Context& context) {
  choose_threads(context, false);
  return std::make_unique<Swin2srUpscaler>(model);
}

}  // namespace safelight::app
