#include <ATen/ATen.h>

#include "engine/training/train_stages.h"

namespace safelight {
namespace {

// Fresh scenes a step, and the scene that a row holds when so many steps have been made.
int64_t fresh_of(int64_t batch) { return std::max<int64_t>(1, batch / 8); }

int64_t scene_in(int64_t row, int64_t written, int64_t pool) {
  return written > row ? pool + row + (written - 1 - row) / pool * pool : row;
}

}  // namespace

ScenePool::ScenePool(const Recipe& recipe, const TrainOptions& options, const AutoencoderStage& autoencoder, const ScenePoolStart& start)
    : recipe_(recipe), options_(options), autoencoder_(autoencoder), start_(start) {
  scenes_.resize(static_cast<std::size_t>(recipe.pool));
  // As many at a time as later steps encode: kernels may round otherwise for other sizes, and a training that goes on
  // must give the bytes of one that was never stopped.
  const int64_t together = fresh_of(start.batch);
  for (int64_t begin = 0; begin < recipe.pool; begin += together) {
    std::vector<int64_t> rows, scenes;
    for (int64_t i = begin; i < std::min(begin + together, recipe.pool); ++i) {
      rows.push_back(i);
      scenes.push_back(scene_in(i, start.step * fresh_of(start.batch), recipe.pool));
    }
    encode(scenes, rows);
  }
}

void ScenePool::encode(const std::vector<int64_t>& numbers, const std::vector<int64_t>& rows) {
  std::vector<Scene> scenes;
  for (const int64_t number : numbers) scenes.push_back(make_scene(recipe_.scenes, start_.seed, static_cast<uint64_t>(number)));
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
  const int64_t fresh = fresh_of(start_.batch);
  std::vector<int64_t> rows, scenes;
  for (int64_t k = step * fresh; k < (step + 1) * fresh; ++k) {
    rows.push_back(k % recipe_.pool);
    scenes.push_back(recipe_.pool + k);
  }
  encode(scenes, rows);
}

at::Tensor ScenePool::latents(const at::Tensor& rows) const { return latents_.index_select(0, rows.to(latents_.device())); }

at::Tensor ScenePool::masks(const at::Tensor& rows) const {
  return masks_.index_select(0, rows.to(masks_.device())).to(at::kFloat) / 255;
}

}  // namespace safelight
