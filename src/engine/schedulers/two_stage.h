// What solvers share that evaluate twice a step, once at its start and once inside it, and once in the last step.
#pragma once

#include "engine/schedulers/solver.h"

namespace safelight {

// Evaluations are numbered by i_: even ones at the start of a step, odd ones inside it.
class TwoStageSolver : public SigmaSolver {
 public:
  explicit TwoStageSolver(const SolverInputs& in) : SigmaSolver(in) {}
  int step() const override {
    const int done = static_cast<int>(i_) - in_.first;
    return (done + (i_ + 1 == nodes_.size() ? 1 : 0)) / 2;
  }
  int steps() const override { return (SolverBase::steps() + 1) / 2; }
  Node node(int step) const override {
    return nodes_[std::min(static_cast<std::size_t>(in_.first + 2 * step), nodes_.size() - 1)];
  }

 protected:
  bool inside() const { return i_ % 2 == 1; }
  // The slope dx/dsigma of the estimate at the current evaluation.
  at::Tensor slope(const Estimate& e) const;
  // The grid of single steps of a config; timesteps of Karras' spacing are whole numbers for these solvers.
  SigmaGrid single_steps() const;
  // Puts `middle[k]` (noise level) after the start of step k, for every step but the last.
  void interleave(const SigmaGrid& single, const std::vector<double>& middle);
};

}  // namespace safelight
