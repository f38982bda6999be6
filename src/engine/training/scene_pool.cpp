#include <ATen/ATen.h>

#include "engine/training/train_stages.h"

namespace safelight {
ScenePool::ScenePool(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder, const ScenePoolStart& start)
    : recipe_(recipe), options_(options), autoencoder_(autoencoder), seed_(start.seed), rolling_(recipe.pool, start.batch) {
  scenes_.resize(static_cast<std::size_t>(recipe.pool));
  rolling_.fill(start.step, [this](const auto& numbers, const auto& rows) { encode(numbers, rows); });
}

void ScenePool::encode(const std::vector<int64_t>& numbers, const std::vector<int64_t>& rows) {
  std::vector<Scene> scenes;
  for (const int64_t number : numbers) scenes.push_back(make_scene(recipe_.scenes, seed_, static_cast<uint64_t>(number)));
  const at::Tensor latents = autoencoder_.encode(scene_pixels(scenes, recipe_.scenes.image_px).to(options_.device));
  if (!latents_.defined()) {
    std::vector<int64_t> shape = latents.sizes().vec();
    shape[0] = recipe_.pool;
    latents_ = at::zeros(shape, latents.options());
    masks_ = at::zeros({recipe_.pool, kMaskRows, kMaskSide, kMaskSide}, latents.options().dtype(at::kByte));
  }
  const at::Tensor index = at::tensor(rows, at::kLong).to(latents.device());
  latents_.index_copy_(0, index, latents);
  masks_.index_copy_(0, index, scene_masks(scenes).to(latents.device()));
  for (std::size_t i = 0; i < rows.size(); ++i) scenes_[static_cast<std::size_t>(rows[i])] = std::move(scenes[i]);
}

void ScenePool::refresh(int64_t step) {
  rolling_.refresh(step, [this](const auto& numbers, const auto& rows) { encode(numbers, rows); });
}

at::Tensor ScenePool::latents(const at::Tensor& rows) const { return latents_.index_select(0, rows.to(latents_.device())); }

at::Tensor ScenePool::masks(const at::Tensor& rows) const {
  return masks_.index_select(0, rows.to(masks_.device())).to(at::kFloat) / 255;
}

}  // namespace safelight
