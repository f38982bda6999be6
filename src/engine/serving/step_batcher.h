// Serves many runs at once on the same processors: runs that arrive at different times share a batch at each step, whatever step each is at.
#pragma once

#include "engine/pipelines/run.h"
#include "engine/serving/turns.h"

namespace safelight {

// Whether a run's bytes may depend on who else is served.
enum class ServeMode {
  reference,   // never: every evaluation has the run's own batch. The same bytes as run() alone with the same number of threads
  fast,        // evaluations share batches. The last bits of sums differ with a batch's size; see kFastPsnr_db
};

// What fast mode holds in float32: PSNR of its pictures against those of reference mode, 8 bits, dB. Measured: at least 85 dB on signs-base
// (`safelight lab bench --model signs-base --serve` prints it); the rest is for models whose sums are longer.
constexpr double kFastPsnr_db = 60;

struct ServeOptions {
  ServeMode mode = ServeMode::reference;
  int priority = 0;   // higher ones go first, from the next step on; among equals who came first
};

// Thread-safe; outlives its runs. One for all models that share the processors: evaluations of one denoiser share batches, others take turns.
class StepBatcher {
 public:
  explicit StepBatcher(const TurnSettings& settings = {}) : turns_(settings) {}

  // As safelight::run(), and on the caller's thread, but the model's parts are computed by the batcher's own. Probes and traces work as ever. What the
  // caller gave (progress, evaluated, cancelled, probes) is called while this run has the turn: it should be quick, and must not wait for another run of
  // the same batcher. `cancelled` is also asked while the run waits. A pass that fails fails for all who share it; everything else stays with its run.
  // The times of stages in the result contain the waiting.
  GenerateResult run(const Components& components, const GenerateRequest& request, RunOptions options, const ServeOptions& how = {});

  TurnTotals totals() const { return turns_.totals(); }
  std::size_t runs() const { return turns_.runs(); }   // that are here now

 private:
  Turns turns_;
};

}  // namespace safelight
