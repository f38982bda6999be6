// Reruns as experiments: what a change does to the final latent, and changes of a given size without a theory.
#pragma once

#include <filesystem>
#include <optional>

#include "common/api/generate_request.h"
#include "common/api/interventions.h"
#include "common/trace/trace.h"
#include "insight/diagnosis/reading.h"

namespace safelight {

// Reruns a stored run with one thing changed. Implemented where engine and diagnosis meet.
class Experiment {
 public:
  virtual ~Experiment() = default;
  struct Outcome {
    std::filesystem::path run;
    double ms = 0;
  };
  // `change` replaces the interventions of the base run. Throws Error when the run fails.
  virtual Outcome rerun(const TraceReader& base, const Interventions& change) = 0;
  // Runs another request on the base run's model as it is now, without the base run's adapters and pictures. The request's model is ignored.
  virtual Outcome ask(const TraceReader& base, const GenerateRequest& request, const Interventions& change) = 0;
  // What the run's model reads in its picture. Nothing where it cannot be asked.
  virtual std::optional<Reading> read(const TraceReader& /*run*/) { return {}; }
};

// The run's own interventions with its initial noise turned by `size` (0..1) towards other noise.
Interventions sham_of(const Interventions& own, double size);

// Distance of two runs' final latents, relative to the first; NaN when either has none or the shapes differ.
double latent_move(const TraceReader& from, const TraceReader& to);

}  // namespace safelight
