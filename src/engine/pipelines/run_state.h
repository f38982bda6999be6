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
#include "engine/schedulers/solver.h"

namespace safelight {

class RunState {
 public:
  RunState(const Components& components, const GenerateRequest& asked, RunOptions& options);

  void stage(const char* name);           // ends the stage that was going on, under this name
  void tokenise();
  void encode_text();
  void draw_noise();
  void begin_trace();
  void start_restart();                   // continue from a stored restart point, where one is asked for
  void push_latents(int step);
  void finish_step(int step);
  void decode();
  void check_images();
  GenerateResult close();
  void throw_if_cancelled() const;
  double guidance_at(int step) const;
  ForwardHooks hooks();

  const Components& components;
  RunOptions& options;
  const Interventions& change;
  GenerateRequest request;                // resolved
  SchedulerConfig scheduler;
  Converter converter;
  std::unique_ptr<Solver> solver;
  bool guided = false;
  InterventionEdit edit;
  std::optional<ForwardWatch> watch;
  Conditioning conditioning;
  at::Tensor cond, uncond, combined, input;  // of the last evaluation
  at::Tensor entered;                        // input of the step's first evaluation
  int entered_step = -1;
  Estimate estimate;

 private:
  at::Tensor encode_ids(const std::vector<std::vector<int64_t>>& ids);
  void apply_token_edits();
  void store_restart_point(int steps_done);
  bool keeps_restart(int steps_done) const;
  TraceFile::RestartLayout restart_layout() const;
  void write_preview(int step);
  Json resolved_json() const;
  Image to_image(const at::Tensor& pixels) const;
  template <class F>
  void timed_probe(F&& work);

  std::vector<StageTime> stages_;
  std::chrono::steady_clock::time_point start_, mark_, steps_start_;
  double probe_ms_ = 0;
  TokenizedPrompt tokens_, negative_tokens_;
  at::Tensor prompt_text_, empty_text_;
  int64_t latent_height_ = 0, latent_width_ = 0;
  std::unique_ptr<TorchNoise> noise_source_;
  at::Tensor step_x_, latents_, pixels_;
  int first_step_ = 0, pushed_step_ = -1;
  std::vector<Image> images_;
  std::vector<Node> nodes_;
};

}  // namespace safelight
