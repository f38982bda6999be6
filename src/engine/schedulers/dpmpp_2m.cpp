// DPM-Solver++ and DPM-Solver, multistep. Source: Lu et al. 2022 (arXiv:2206.00927, arXiv:2211.01095).
#include <cmath>

#include "engine/schedulers/dpm_multistep.h"

namespace safelight {
namespace {

class DpmPlusPlus final : public DpmMultistep {
 public:
  explicit DpmPlusPlus(const SolverInputs& in) : DpmMultistep(in) {
    const SigmaGrid grid = exponential_grid(in_.config, table_, in_.custom.timesteps.empty() ? own_spacing(in_.steps) : in_.custom.timesteps);
    for (std::size_t i = 0; i < grid.sigmas.size(); ++i) {
      nodes_.push_back(node_of_sigma(grid.sigmas[i], i < grid.timesteps.size() ? grid.timesteps[i] : 0));
      points_.push_back(lambda_point(grid.sigmas[i]));
    }
    start();
  }

 private:
  std::vector<double> own_spacing(int n) const {  // can stop short of the first training step
    const SchedulerConfig& c = in_.config;
    int total = c.num_train_timesteps;
    for (int t = total - 1; t >= 0 && -std::log(table_.sigmas()[static_cast<std::size_t>(t)]) < c.lambda_min_clipped; --t) --total;
    return spaced_by_one_more(c, n, total);
  }
};

void stochastic(SchedulerConfig& c) { c.algorithm = "sde-dpmsolver++"; }
void third_order(SchedulerConfig& c) { c.solver_order = 3; }

}  // namespace

SolverEntry dpmpp_2m() {
  return {.name = "dpmpp-2m", .class_name = "DPMSolverMultistepScheduler", .summary = "DPM-Solver++, multistep, second order",
          .source = "arXiv:2211.01095", .order = 2, .stochastic = false, .history = "x0", .min_steps = 1, .make = make<DpmPlusPlus>};
}

SolverEntry dpmpp_2m_sde() {
  return {.name = "dpmpp-2m-sde", .class_name = "DPMSolverMultistepScheduler", .summary = "DPM-Solver++, multistep, with fresh noise at every step",
          .source = "arXiv:2211.01095", .order = 1, .stochastic = true, .history = "x0", .min_steps = 1, .make = make<DpmPlusPlus>, .adjust = stochastic};
}

// Called third order, and the reference's formula is kept; but its second difference enters with half the weight that Taylor's
// series gives it, so that it converges as h^2, with a smaller constant.
SolverEntry dpmpp_3m() {
  return {.name = "dpmpp-3m", .class_name = "DPMSolverMultistepScheduler", .summary = "DPM-Solver++, multistep, three estimates",
          .source = "arXiv:2211.01095", .order = 2, .stochastic = false, .history = "x0", .min_steps = 1, .make = make<DpmPlusPlus>, .adjust = third_order};
}

}  // namespace safelight
