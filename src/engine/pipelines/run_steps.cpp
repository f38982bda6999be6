// The loop over the steps: what is evaluated, how, and what follows.
#include <ATen/ATen.h>

#include "engine/pipelines/run_state.h"

namespace safelight {

ForwardHooks RunState::hooks() {
  return {.observer = watch ? &*watch : nullptr, .edit = edit.needed() ? &edit : nullptr, .cache = cache ? &*cache : nullptr, .text_keys = &text_keys,
          .merge_tokens = request.shortcuts.merge_tokens};
}

double RunState::guidance_at(int step) const { return guided && !guided_at(step) ? 1.0 : *request.guidance; }

bool RunState::guided_at(int step) const {
  if (!guided || (change.guidance_steps && !change.guidance_steps->contains(step))) return false;
  const double share = static_cast<double>(step) / solver->steps();
  return share >= request.guidance_form.from && (share < request.guidance_form.to || request.guidance_form.to == 1);
}

bool RunState::ends_before(const Node& node) const { return untouched_ || (request.part.end && node.timestep < cutoff_timestep(*request.part.end)); }

std::optional<Evaluation> RunState::next_evaluation() {
  auto wanted = solver->next();
  if (!wanted || ends_before(wanted->node)) return {};
  if (change.latents.empty()) return wanted;
  push_latents(solver->step());
  return solver->next();
}

void RunState::evaluate(const Evaluation& wanted, const ForwardHooks& hooks) {
  const int step = solver->step();
  const bool guided = guided_at(step);
  edit.set_step(step);
  const at::Tensor x = wanted.model_input;
  const int64_t n = x.size(0);
  const at::Tensor timesteps = at::full({guided ? 2 * n : n}, wanted.node.timestep, at::kFloat);
  if (hooks.cache) hooks.cache->begin(step, timesteps.size(0));
  if (watch) watch->begin(guided ? n : 0, wanted.node.timestep);
  const at::Tensor out = components.denoiser->predict(guided ? at::cat({x, x}, 0) : x, timesteps, guided ? both : alone, hooks);
  cond = guided ? out.slice(0, n) : out;
  uncond = guided ? out.slice(0, 0, n) : at::Tensor();
  estimate = form.combine({.cond = cond, .uncond = uncond, .x = x, .node = wanted.node, .w = guidance_at(step), .form = request.guidance_form}, converter);
  input = x;
  if (entered_step_ != step) {
    entered_step_ = step;
    entered = x;
  }
}

bool RunState::advance() {
  const auto wanted = next_evaluation();
  if (!wanted) return false;
  throw_if_cancelled();
  const int step = solver->step();
  evaluate(*wanted, hooks());
  solver->feed(estimate);
  if (options.evaluated) options.evaluated(*solver);
  keep_outside_mask();
  if (solver->step() > step) finish_step(step);
  return true;
}

void RunState::keep_outside_mask() {
  if (!mask_.defined() || components.denoiser->beside() != Beside::nothing) return;
  SolverState state = solver->state();
  const at::Tensor kept = solver->next() ? solver->noised(picture_latents_, noise_) : picture_latents_;
  state.x = (1 - mask_) * kept + mask_ * state.x;
  solver->restore(state);
}

void RunState::push_latents(int step) {
  if (step == pushed_step_) return;  // once a step, also for solvers that evaluate twice
  pushed_step_ = step;
  SolverState state = solver->state();
  // In units of the variance-preserving scale, so that a push means the same for every solver.
  const double scale = solver->node(step).alpha;
  std::vector<LatentPush> pushes = change.latents;
  const at::Tensor probe = solver->next()->model_input;
  const double ratio = probe.abs().sum().item<double>() > 0 ? state.x.abs().sum().item<double>() / probe.abs().sum().item<double>() : scale;
  for (LatentPush& p : pushes) p.amount *= ratio;
  state.x = pushed(state.x, pushes, step);
  solver->restore(state);
}

}  // namespace safelight
