// Everything that one run owns while it goes on; lives on the stack of run().
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/pipelines/edits.h"
#include "engine/pipelines/run.h"
#include "engine/pipelines/watch.h"
#include "engine/guidance/guidance.h"
#include "engine/schedulers/solver.h"
#include "engine/tensor/step_cache.h"
#include "engine/tensor/text_keys.h"

namespace safelight {

class RunState {
 public:
  RunState(const Components& components, const GenerateRequest& asked, RunOptions& options);

  void stage(const char* name);           // ends the stage that was going on, under this name
  void tokenise();
  void encode_text();
  void start_latents();
  void begin_trace();
  void start_restart();                   // continue from a stored restart point, where one is asked for
  // The evaluation that the solver wants, after what the interventions do to its latent; nothing at the end of the run.
  std::optional<Evaluation> next_evaluation();
  void evaluate(const Evaluation& wanted, const ForwardHooks& hooks);   // fills cond, uncond and estimate
  bool advance();                         // one evaluation and what follows from it; false at the end of the run
  at::Tensor decoded(const at::Tensor& latents, ForwardObserver* observer);   // pixels [N,3,H,W], with the interventions on decoding
  void decode();
  void check_images();
  GenerateResult close();
  void throw_if_cancelled() const;
  const TokenizedPrompt& tokens() const { return tokens_.front(); }   // of the first text encoder, as written
  double guidance_at(int step) const;
  bool guided_at(int step) const;         // whether this step evaluates the unconditional half too
  ForwardHooks hooks();

  const Components& components;
  RunOptions& options;
  const Interventions& change;
  GenerateRequest request;                // resolved
  SchedulerConfig scheduler;
  Converter converter;
  std::unique_ptr<Solver> solver;
  const GuidanceEntry& form;
  bool guided = false;
  InterventionEdit edit;
  std::optional<StepCache> cache;            // where steps are cached
  TextKeys text_keys;
  std::optional<ForwardWatch> watch;
  Conditioning both, alone;                  // with the unconditional rows first; the conditional ones by themselves
  at::Tensor cond, uncond, input;            // of the last evaluation
  at::Tensor entered;                        // input of the step's first evaluation
  Estimate estimate;

 private:
  void apply_token_edits();
  void push_latents(int step);
  void finish_step(int step);
  bool ends_before(const Node& node) const;
  void keep_outside_mask();               // inpainting with a plain model: what is not repainted is the picture's own
  std::vector<MicroConditioning> sizes(bool negative) const;
  at::Tensor drawn(int64_t channels) { return source().draw({request.count, channels, latent_height_, latent_width_}); }
  NoiseSource& source() { return options.noise ? *options.noise : static_cast<NoiseSource&>(*noise_source_); }
  void place_beside(const at::Tensor& channels, const at::Tensor& noise_level);
  void noise_small_picture();
  void mask_latents(const at::Tensor& picture);
  int first_evaluation(const SolverInputs& in) const;
  double cutoff_timestep(double share) const;
  void store_restart_point(int steps_done);
  bool keeps_restart(int steps_done) const;
  bool ends_part(int steps_done) const;          // of a run at `summary`; every step does at `full`
  TraceFile::RestartLayout restart_layout() const;
  void write_preview(int step);
  Json resolved_json() const;
  Image to_image(const at::Tensor& pixels) const;
  template <class F>
  void timed_probe(F&& work);

  DecodeWatch decode_watch_;
  std::vector<StageTime> stages_;
  std::chrono::steady_clock::time_point start_, mark_, steps_start_;
  double probe_ms_ = 0;
  std::vector<TokenizedPrompt> tokens_, negative_tokens_;  // one per text encoder
  EncodedPrompt prompt_, negative_;
  int64_t latent_height_ = 0, latent_width_ = 0;
  std::unique_ptr<TorchNoise> noise_source_;
  at::Tensor noise_, picture_latents_, mask_;  // mask_: [1,1,h,w], 1 where it is repainted
  bool untouched_ = false;                     // image-to-image at strength 0
  at::Tensor step_x_, latents_, partial_, pixels_;
  int first_step_ = 0, pushed_step_ = -1, entered_step_ = -1;
  std::vector<Image> images_;
  std::vector<Node> nodes_;
};

}  // namespace safelight
