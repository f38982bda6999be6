// The recipe of a run. Each numbered comment is a stage with a name and a timing in run.json.
#include "engine/pipelines/run.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <chrono>

#include "common/api/json.h"
#include "common/base/error.h"
#include "engine/pipelines/run_errors.h"
#include "engine/pipelines/run_state.h"

namespace safelight {
namespace {

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
  s.start_restart();
  while (s.advance()) {                        // 5 conditional and unconditional halves in one batch, guidance, solver (run_steps.cpp)
  }
  s.stage("denoise");
  s.decode();                                  // 6
  s.stage("decode");
  s.check_images();                            // 7
  s.stage("check_images");
  return s.close();                            // 8 close the trace
}

}  // namespace

Error error_in_flight() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::out_of_memory, "out of memory; ask for a smaller picture or fewer images");
  } catch (const c10::Error& e) {
    const std::string what = e.what_without_backtrace();
    const bool memory = what.find("allocate memory") != std::string::npos || what.find("out of memory") != std::string::npos;
    if (memory) return Error(ErrorCode::out_of_memory, "out of memory; ask for a smaller picture or fewer images (" + what + ")");
    return Error(ErrorCode::internal, "libtorch: " + what);
  }
}

GenerateResult run(const Components& components, const GenerateRequest& request, RunOptions options) {
  const auto fail = [&](const char* status, const std::string& what) {
    if (!options.trace) return;
    options.trace->run()["error"] = what;
    options.trace->finish(status);
  };
  try {
    return run_recipe(components, request, options);
  } catch (...) {
    const Error e = error_in_flight();
    fail(e.code() == ErrorCode::cancelled ? "cancelled" : "failed", e.what());
    throw e;
  }
}

}  // namespace safelight
