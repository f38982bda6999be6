// One run: a request, the parts of a model, and what to watch or change. The recipe is run.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "common/api/interventions.h"
#include "common/trace/trace_file.h"
#include "engine/pipelines/pictures.h"
#include "engine/pipelines/probe.h"
#include "engine/schedulers/solver.h"

namespace safelight {

struct RunProgress {
  std::string stage;        // "text", "denoise", "decode"
  int step = 0, total = 0;  // within denoise
  double seconds_left = 0;
};

// Pictures and latents that a run starts from; tensors undefined where there are none.
struct RunInputs {
  at::Tensor picture;        // [1,3,H,W] in [-1,1]; for the x4 upscaler the small picture
  at::Tensor mask;           // [1,1,H,W], 1 where it is repainted
  at::Tensor latents;        // [N,C,h,w] of an unfinished run, in the variance-preserving scale
  std::optional<Canvas> canvas;  // what the result is pasted into
};

struct RunOptions {
  RunInputs inputs;
  NoiseSource* noise = nullptr;                    // null: the reference's generator from the seed. Not with restart points.
  std::function<void(const Solver&)> evaluated;    // after every evaluation was fed to the solver, before anything is pasted back
  Interventions interventions;
  std::vector<std::unique_ptr<Probe>> probes;      // made from the table by the caller
  TraceFile* trace = nullptr;                      // null: nothing is written
  std::function<void(const RunProgress&)> progress;
  std::function<bool()> cancelled;                 // asked once per evaluation
  std::shared_ptr<const Autoencoder> other_decoder; // for DecoderChange "other" and "float32"
};

struct StageTime {
  std::string name;
  double ms = 0;
};

struct GenerateResult {
  std::vector<Image> images;
  at::Tensor latents;                  // [N,C,h,w] final, denoiser's scale, float32; of an unfinished run in the solver's own
  at::Tensor partial;                  // of a run that stopped before its end: the same in the variance-preserving scale
  at::Tensor pixels;                   // [N,3,H,W] as the decoder gave them
  Json resolved;                       // what every setting came to
  std::vector<StageTime> stages;
  double total_ms = 0, probe_ms = 0;
  std::vector<std::string> unknown_words, truncated, split_words;
};

// The request with the model's recommendations and the interventions put in; no zero or empty value is left.
// Throws Error(invalid_argument) listing every problem.
GenerateRequest resolved_request(const Components& components, const GenerateRequest& request, const Interventions& change);

// Thread-safe: all state lives on the stack. Equal inputs give equal bytes on the same device, dtype and thread count,
// whatever is watched. Throws Error; a libtorch failure becomes Error(internal or out_of_memory); Error(cancelled) within
// one evaluation of the request to stop; Error(non_finite) is not thrown: such an image is black and the trace says why.
GenerateResult run(const Components& components, const GenerateRequest& request, RunOptions options);

}  // namespace safelight
