// Probes watch a run; they never change it. Each declares what it needs, so nothing is computed unless asked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/api/generate_request.h"
#include "common/api/image.h"
#include "common/trace/trace.h"
#include "engine/pipelines/components.h"

namespace safelight {

enum class ProbeLevel { none, summary, full };

// What was decided before the first step.
struct RunView {
  const Components& components;
  const GenerateRequest& request;      // resolved: no zero or empty value is left
  ProbeLevel level = ProbeLevel::summary;
  const TokenizedPrompt& tokens;
  at::Tensor text;                     // [T,width] of the prompt
  at::Tensor empty_text;               // [T,width] of the empty (or negative) prompt
  const std::vector<Node>& nodes;      // one per solver step, plus the end
  const SchedulerConfig& scheduler;
  int64_t latent_height = 0, latent_width = 0;
};

// Cross-attention of one evaluation, averaged over heads and observed layers, conditional half, image 0.
struct AttentionSummary {
  int64_t height = 0, width = 0, tokens = 0;  // tokens: begin, content, end, padding
  std::vector<float> map;                     // [height*width, tokens], rows sum to 1
  double logit_std = 0;
};

struct BlockSummary {  // of one module's output, conditional half, image 0
  double rms = 0, kurtosis = 0, outliers = 0, max_abs = 0;
  int64_t non_finite = 0;
};

// One finished solver step. Tensors are [C,h,w] views of image 0, float32, contiguous, on the CPU.
struct StepView {
  int index = 0;
  Node node, next;
  double guidance = 1.0;
  double misled = 0;      // training steps by which the network was told another timestep than the solver asked for
  at::Tensor entered;     // at the start of the step
  at::Tensor x;           // at its last evaluation; the same for solvers that evaluate once
  at::Tensor x_next;      // after it
  at::Tensor cond, uncond, guided;  // raw outputs; `uncond` undefined without guidance
  at::Tensor x0, eps;     // the guided estimate in two forms
  const AttentionSummary* attention = nullptr;        // null when the step had none
  const std::vector<BlockSummary>* blocks = nullptr;  // parallel to Denoiser::block_names()
};

struct DecodedView {
  at::Tensor latent;      // [C,h,w] final, denoiser's scale
  at::Tensor pixels;      // [3,H,W] what became the picture, nominally in [-1,1]
  at::Tensor decoder_latent, decoder_pixels;  // what the decoder itself was given and gave; undefined where none of the model's kind ran
  const Image& image;
};

struct ProbeNeeds {
  bool attention = false;
  bool blocks = false;
};

class Probe {
 public:
  virtual ~Probe() = default;
  virtual ProbeNeeds needs() const { return {}; }
  virtual void on_start(const RunView&, TraceWriter&) {}
  virtual void on_step(const StepView&, TraceWriter&) {}
  virtual void on_decoded(const DecodedView&, TraceWriter&) {}
};

struct ProbeEntry {
  std::string name;
  std::string measures;   // one line for `list probes`
  std::unique_ptr<Probe> (*make)() = nullptr;
};

template <class T>
std::unique_ptr<Probe> make_probe() {
  return std::make_unique<T>();
}

}  // namespace safelight
