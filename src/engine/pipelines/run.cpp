// The recipe of a run. Each numbered comment is a stage with a name and a timing in run.json.
#include "engine/pipelines/run.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <chrono>

#include "common/api/json.h"
#include "common/base/error.h"
#include "engine/guidance/guidance.h"
#include "engine/pipelines/edits.h"
#include "engine/pipelines/run_state.h"

namespace safelight {
namespace {

// 5: one evaluation of the denoiser, conditional and unconditional halves in one batch.
void evaluate(RunState& s, const Evaluation& wanted) {
  const int step = s.solver->step();
  const bool guided = s.guided_at(step);
  s.edit.set_step(step);
  const at::Tensor x = wanted.model_input;
  const int64_t n = x.size(0);
  const at::Tensor timesteps = at::full({guided ? 2 * n : n}, wanted.node.timestep, at::kFloat);
  if (s.cache) s.cache->begin(step, timesteps.size(0));
  if (s.watch) s.watch->begin(guided ? n : 0, wanted.node.timestep);
  const at::Tensor out = s.components.denoiser->predict(guided ? at::cat({x, x}, 0) : x, timesteps, guided ? s.both : s.alone, s.hooks());
  s.cond = guided ? out.slice(0, n) : out;
  s.uncond = guided ? out.slice(0, 0, n) : at::Tensor();
  s.estimate = s.form.combine({.cond = s.cond, .uncond = s.uncond, .x = x, .node = wanted.node, .w = s.guidance_at(step), .form = s.request.guidance_form}, s.converter);
  s.input = x;
  if (s.entered_step != step) {
    s.entered_step = step;
    s.entered = x;
  }
}

void denoise(RunState& s) {
  s.start_restart();
  while (const auto wanted = s.solver->next()) {
    if (s.ends_before(wanted->node)) break;
    s.throw_if_cancelled();
    const int step = s.solver->step();
    if (!s.change.latents.empty()) s.push_latents(step);
    const auto now = s.change.latents.empty() ? wanted : s.solver->next();
    evaluate(s, *now);
    s.solver->feed(s.estimate);
    if (s.options.evaluated) s.options.evaluated(*s.solver);
    s.keep_outside_mask();
    if (s.solver->step() > step) s.finish_step(step);
  }
}

GenerateResult run_recipe(const Components& components, const GenerateRequest& asked, RunOptions& options) {
  at::NoGradGuard no_grad;
  RunState s(components, asked, options);      // 1 check the request and resolve every setting
  s.stage("check");
  s.tokenise();                                // 2
  s.stage("tokenise");
  s.encode_text();                             // 3
  s.stage("encode_text");
  s.start_latents();                           // 4 noise, and what the run starts from
  s.begin_trace();
  s.stage("noise");
  denoise(s);                                  // 5
  s.stage("denoise");
  s.decode();                                  // 6
  s.stage("decode");
  s.check_images();                            // 7
  s.stage("check_images");
  return s.close();                            // 8 close the trace
}

}  // namespace

GenerateResult run(const Components& components, const GenerateRequest& request, RunOptions options) {
  const auto fail = [&](const char* status, const std::string& what) {
    if (!options.trace) return;
    options.trace->run()["error"] = what;
    options.trace->finish(status);
  };
  try {
    return run_recipe(components, request, options);
  } catch (const Error& e) {
    fail(e.code() == ErrorCode::cancelled ? "cancelled" : "failed", e.what());
    throw;
  } catch (const std::bad_alloc&) {
    fail("failed", "out of memory");
    throw Error(ErrorCode::out_of_memory, "out of memory; ask for a smaller picture or fewer images");
  } catch (const c10::Error& e) {
    const std::string what = e.what_without_backtrace();
    fail("failed", what);
    const bool memory = what.find("allocate memory") != std::string::npos || what.find("out of memory") != std::string::npos;
    if (memory) throw Error(ErrorCode::out_of_memory, "out of memory; ask for a smaller picture or fewer images (" + what + ")");
    throw Error(ErrorCode::internal, "libtorch: " + what);
  }
}

}  // namespace safelight
