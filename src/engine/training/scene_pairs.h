// Pairs of what an upscaler sees and what it should make, of as many scenes as the recipe's pool holds. An eighth of every batch is
// new: over a long run the network sees far more scenes than are held.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "engine/training/rolling_rows.h"
#include "engine/training/scenes/scene.h"

namespace safelight {

// The scene seen from nearer (factor above 1) or farther, with (x, y) staying where it is. The background stays; what comes to lie
// outside the picture is cut off when it is drawn.
Scene zoomed(Scene scene, double factor, double x, double y);

struct ScenePairRows {
  at::Tensor low, high;   // one row a scene
};

struct ScenePairsPlan {
  SceneOptions world;
  uint64_t seed = 1;      // of the scenes
  int64_t pool = 1;       // scenes that are held
  int64_t batch = 1;
  int64_t step = 0;       // the pool begins as it is before this step
  std::function<ScenePairRows(const std::vector<Scene>&)> make;  // a function of the scenes alone
};

// Every second scene is zoomed, so that things of all sizes are met: the pictures of the world are not all that is enlarged later.
// What is there at a step depends on the plan and the step only: a training that goes on sees what one that never stopped sees.
class ScenePairs {
 public:
  explicit ScenePairs(ScenePairsPlan plan);
  // Brings the scenes of this step. Steps follow each other, from plan.step on.
  void refresh(int64_t step);
  const Scene& scene(int64_t row) const { return scenes_[static_cast<std::size_t>(row)]; }
  ScenePairRows draw(const at::Tensor& rows) const;   // int64 [B], each below plan.pool

 private:
  void put(const std::vector<int64_t>& numbers, const std::vector<int64_t>& rows);
  ScenePairsPlan plan_;
  RollingRows rolling_;
  std::vector<Scene> scenes_;
  ScenePairRows held_;
};

}  // namespace safelight
