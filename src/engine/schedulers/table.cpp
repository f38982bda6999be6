// Every scheduler there is. Adding one: its file, a declaration here and a line in the list.
#include "common/base/error.h"
#include "engine/schedulers/solver.h"

namespace safelight {

SolverEntry ddim();
SolverEntry ddpm();
SolverEntry deis();
SolverEntry dpm2();
SolverEntry dpm2_ancestral();
SolverEntry dpmpp_2m();
SolverEntry dpmpp_2m_sde();
SolverEntry dpmpp_3m();
SolverEntry dpmpp_2s();
SolverEntry edm_dpmpp_2m();
SolverEntry edm_euler();
SolverEntry euler();
SolverEntry euler_ancestral();
SolverEntry flow_dpmpp_2m();
SolverEntry flow_euler();
SolverEntry flow_heun();
SolverEntry heun();
SolverEntry lcm();
SolverEntry lms();
SolverEntry pndm();
SolverEntry tcd();
SolverEntry unipc();

const std::vector<SolverEntry>& solver_table() {
  static const std::vector<SolverEntry> table = {
      ddim(), ddpm(), deis(), dpm2(), dpm2_ancestral(), dpmpp_2m(), dpmpp_2m_sde(),
      dpmpp_3m(), dpmpp_2s(), edm_dpmpp_2m(), edm_euler(), euler(), euler_ancestral(), flow_dpmpp_2m(), flow_euler(),
      flow_heun(), heun(), lcm(), lms(), pndm(), tcd(), unipc(),
  };
  return table;
}

const SolverEntry& solver_named(const std::string& name) {
  std::string known;
  for (const SolverEntry& e : solver_table()) {
    if (e.name == name || e.class_name == name) return e;
    known += (known.empty() ? "" : ", ") + e.name;
  }
  throw Error(ErrorCode::invalid_argument, "scheduler '" + name.substr(0, 64) + "' is unknown; known: " + known);
}

SchedulerConfig config_for(const SolverEntry& solver, const Json& json, const std::string& where) {
  SchedulerConfig config = SchedulerConfig::from_json(json, where, solver.class_name);
  if (solver.adjust) solver.adjust(config);
  return config;
}

std::unique_ptr<Solver> make_solver(const SolverInputs& inputs) {
  const SolverEntry& entry = solver_named(inputs.config.class_name);
  if (inputs.steps < 1 || inputs.steps > 1000)
    throw Error(ErrorCode::invalid_argument, "steps is " + std::to_string(inputs.steps) + "; use 1 to 1000");
  if (inputs.config.class_name == "PNDMScheduler" && !inputs.config.skip_prk_steps && inputs.steps < 4)
    throw Error(ErrorCode::invalid_argument, "pndm with its Runge-Kutta warm-up needs at least 4 steps");
  return entry.make(inputs);
}

}  // namespace safelight
