#include "engine/training/scene_pairs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "engine/training/training_loop.h"

namespace safelight {
namespace {

constexpr double kFarthest = 0.5, kNearest = 1.6;
constexpr double kBoardMargin = 0.05;   // of the renderer, between a board's edge and its letters, whatever their size

Scene varied_scene(const ScenePairsPlan& plan, uint64_t number) {
  Scene scene = make_scene(plan.world, plan.seed, number);
  SceneRandom random(mix_seed(plan.seed, 0, 0), number);
  if (random.chance(0.5)) return scene;
  const double factor = std::exp(random.between(std::log(kFarthest), std::log(kNearest))), x = random.uniform(), y = random.uniform();
  return zoomed(std::move(scene), factor, x, y);
}

}  // namespace

Scene zoomed(Scene scene, double factor, double x, double y) {
  const auto move = [&](auto& thing) {
    thing.x = x + factor * (thing.x - x);
    thing.y = y + factor * (thing.y - y);
  };
  for (SceneObject& o : scene.objects) {
    move(o);
    o.radius *= factor;
  }
  if (scene.sign) {
    move(*scene.sign);
    for (double* half : {&scene.sign->half_width, &scene.sign->half_height}) *half = factor * (*half - kBoardMargin) + kBoardMargin;
  }
  return scene;
}

ScenePairs::ScenePairs(ScenePairsPlan plan) : plan_(std::move(plan)), rolling_(plan_.pool, plan_.batch), scenes_(static_cast<std::size_t>(plan_.pool)) {
  rolling_.fill(plan_.step, [this](const auto& numbers, const auto& rows) { put(numbers, rows); });
}

void ScenePairs::refresh(int64_t step) {
  rolling_.refresh(step, [this](const auto& numbers, const auto& rows) { put(numbers, rows); });
}

void ScenePairs::put(const std::vector<int64_t>& numbers, const std::vector<int64_t>& rows) {
  std::vector<Scene> scenes;
  for (const int64_t number : numbers) scenes.push_back(varied_scene(plan_, static_cast<uint64_t>(number)));
  const ScenePairRows made = plan_.make(scenes);
  const at::Tensor index = at::tensor(rows, at::kLong).to(made.low.device());
  for (const auto& [held, fresh] : {std::pair{&held_.low, &made.low}, {&held_.high, &made.high}}) {
    if (!held->defined()) {
      std::vector<int64_t> shape = fresh->sizes().vec();
      shape[0] = plan_.pool;
      *held = at::zeros(shape, fresh->options());
    }
    held->index_copy_(0, index, *fresh);
  }
  for (std::size_t i = 0; i < rows.size(); ++i) scenes_[static_cast<std::size_t>(rows[i])] = std::move(scenes[i]);
}

ScenePairRows ScenePairs::draw(const at::Tensor& rows) const {
  const at::Tensor index = rows.to(held_.low.device());
  return {held_.low.index_select(0, index), held_.high.index_select(0, index)};
}

}  // namespace safelight
