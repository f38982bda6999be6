// Noise levels of flow matching (rectified flow): x = (1 - sigma) x0 + sigma noise, the model gives noise - x0.
// Sources: Lipman et al. 2022 (arXiv:2210.02747); Esser et al. 2024 (arXiv:2403.03206), section 5.3.2, for the shift.
#pragma once

#include "engine/schedulers/solver.h"

namespace safelight {

// sigmas: n + 1, from 1 or below to 0. `mu` (custom.mu, else from the number of image tokens) shifts dynamically where the
// config says so. The static shift applies twice to the last level, as in the reference.
SigmaGrid flow_grid(const SchedulerConfig& config, int steps, const CustomSteps& custom);

class FlowSolver : public SolverBase {
 public:
  explicit FlowSolver(const SolverInputs& in) : SolverBase(in) {}

 protected:
  void set_grid(const SigmaGrid& grid);
  std::vector<double> sigmas_;
};

}  // namespace safelight
