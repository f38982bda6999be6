// ESRGAN and its kin: convolutions alone, so that tiles give what one piece gives to less than a level.
#include <ATen/ATen.h>

#include <algorithm>

#include "apps/cli/enlarger.h"
#include "common/base/error.h"
#include "engine/pipelines/pictures.h"
#include "engine/upscalers/esrgan.h"
#include "engine/weights/weight_file.h"

namespace safelight::app {
namespace {

class EsrganUpscaler final : public PieceUpscaler {
 public:
  EsrganUpscaler(const WeightSource& weights, const EsrganLayout& layout) : name_("'" + weights.name() + "'"), network_(ParameterScope(parameters_), layout.config) {
    load_weights(parameters_, weights, {.rename = layout.rename});
    parameters_.freeze();
  }
  int factor() const override { return static_cast<int>(network_.config().upscale); }

 protected:
  Image piece_enlarged(const Image& piece) const override {
    at::NoGradGuard no_grad;
    const Image whole = filled_up(piece, grid_px());
    const at::Tensor large = network_.forward(tensor_of(whole) / 2 + 0.5)[0].narrow(1, 0, int64_t{piece.height} * factor()).narrow(2, 0, int64_t{piece.width} * factor());
    if (!at::isfinite(large).all().item<bool>()) throw Error(ErrorCode::non_finite, name_ + " gave numbers that are not finite");
    return like(piece, image_of(large * 2 - 1));
  }
  int reach_px() const override { return static_cast<int>(network_.config().felt_px()); }
  int grid_px() const override { return static_cast<int>(network_.config().folded); }
  int tile_px() const override { return std::max(64, 512 / factor()); }   // the maps behind the last doubling are the largest

 private:
  std::string name_;
  Parameters parameters_;
  Esrgan network_;
};

// The file itself, or the only safetensors file of a directory without a configuration.
std::optional<std::filesystem::path> weights_of(const std::filesystem::path& model) {
  if (std::filesystem::is_regular_file(model)) return model;
  if (!std::filesystem::is_directory(model) || std::filesystem::exists(model / "config.json") || std::filesystem::exists(model / "model_index.json")) return {};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(model))
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  return files.size() == 1 ? std::optional(files.front()) : std::nullopt;
}

}  // namespace

bool is_esrgan(const std::filesystem::path& model) {
  const auto file = weights_of(model);
  if (!file) return false;
  if (file == model) return esrgan_layout(*weight_source(*file)).has_value();   // a file can be nothing else, so its errors are told
  try {
    return esrgan_layout(*weight_source(*file)).has_value();
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<Upscaler> open_esrgan(const std::filesystem::path& model, Context& context) {
  const auto file = weights_of(model);
  if (!file) throw Error(ErrorCode::not_found, "'" + model.string() + "' is no safetensors file, and no directory that holds just one");
  const auto weights = weight_source(*file);
  const auto layout = esrgan_layout(*weights);
  if (!layout) throw Error(ErrorCode::unsupported, "'" + file->string() + "' holds no ESRGAN network: none of its known layouts has these tensors");
  choose_threads(context, false);
  return std::make_unique<EsrganUpscaler>(*weights, *layout);
}

}  // namespace safelight::app
