// The teacher's trajectories that a student learns from: made group by group while it learns, kept on disk so that a run that
// was stopped goes on exactly where it was.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/training/recipe.h"
#include "engine/training/trajectories.h"

namespace safelight {

struct TrajectoryBatch {
  std::vector<at::Tensor> x, landed;  // for each node of the student: [b,C,h,w] there, and where the teacher takes it
  at::Tensor ids;                     // int64 [nodes*b,T], captions in the order of the nodes
};

// Holds the last recipe.pool trajectories, in groups as large as a batch. What is there at a step, and what is drawn then,
// depends on the recipe, the teacher and the step only.
class TrajectoryPool {
 public:
  // folder: the groups' files lie here; it belongs to this recipe and teacher alone. All must outlive the pool.
  TrajectoryPool(const Recipe& recipe, const Teacher& teacher, const DistillationGrid& grid, std::filesystem::path folder);
  // Makes or reads what belongs to the pool at this step; at most one group is new if no step was left out.
  void refresh(int64_t step);
  TrajectoryBatch draw(int64_t step) const;
  // Of the first group: how far from its targets the student starts, node by node.
  at::Tensor gap() const { return group(0).latents_and_gap.gap; }
  // Groups there are when step begins. Every sixteenth step brings a new one: with 24 guided steps of the teacher, that costs
  // about as much as the student's forward and backward passes.
  static int64_t groups(int64_t step);

 private:
  struct Group {
    Trajectories latents_and_gap;
    at::Tensor ids;
  };
  Group group(int64_t index) const;
  at::Tensor captions(int64_t index) const;
  int64_t held() const { return std::max<int64_t>(1, recipe_.pool / recipe_.distillation.batch); }

  const Recipe& recipe_;
  const Teacher& teacher_;
  const DistillationGrid& grid_;
  std::filesystem::path folder_;
  at::Tensor latents_, ids_;  // row by row, group after group; the oldest are overwritten
  int64_t next_ = 0;          // first group that is not here yet
};

}  // namespace safelight
