// What a guided teacher makes of noise, kept at the few places where a student of few steps stops.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/base/json.h"
#include "engine/denoisers/unet.h"
#include "engine/schedulers/convert.h"
#include "engine/text/clip_text_encoder.h"
#include "engine/text/clip_tokenizer.h"

namespace safelight {

// Where the teacher and the student stop, from noise on. Both grids are "trailing", and the student's lies in the teacher's.
struct DistillationGrid {
  // scheduler: the teacher's scheduler_config.json. Throws Error(invalid_argument) unless student_steps divides teacher_steps
  // and the number of training steps, without which DDIM would not stop at the teacher's places.
  DistillationGrid(const Json& scheduler, int64_t student_steps, int64_t teacher_steps);

  Json student_scheduler;        // DDIM, trailing, to the clean picture
  SchedulerConfig student, teacher;
  std::vector<Node> nodes;       // of the student, and the clean picture at the end
  std::vector<double> teacher_timesteps;
  int64_t stride = 1;            // teacher's steps in one of the student's
};

// The clean picture for which a step of DDIM from x at `from` lands on `landed` at `to` (Salimans and Ho, arXiv:2202.00512,
// appendix G).
at::Tensor landing_x0(const at::Tensor& x, const at::Tensor& landed, const Node& from, const Node& to);

// A model directory's text encoder and UNet, frozen, in the precision in which they run.
struct Teacher {
  // Throws Error(unsupported) for a model that is itself a base with adapters, Error(corrupt_file) where safelight.json recommends
  // no guidance, and what opening the components throws.
  Teacher(const std::filesystem::path& model, at::ScalarType precision, const std::string& device);
  at::Tensor encode(const at::Tensor& ids) const;  // int64 [B,T] -> [B,T,width]

  std::filesystem::path directory;
  std::string name;              // the directory's; for a training's output, the name that its safelight.json gives
  double guidance = 1;           // as safelight.json recommends it
  Json unet_config, scheduler;
  std::string weights_hash;      // of the files of both
  std::unique_ptr<ClipTokenizer> tokenizer;
  Parameters text_parameters, unet_parameters;
  std::unique_ptr<ClipTextEncoder> text;
  std::unique_ptr<Unet> unet;
};

struct Trajectories {
  at::Tensor latents;            // float32 [B,nodes,C,h,w], from noise to clean
  at::Tensor gap;                // float32 [nodes-1]: mean square in x0 by which the teacher without guidance misses the student's target
};

// Runs the teacher from the noise [B,C,h,w] with classifier-free guidance (folded into what the student learns, as Meng et al. do,
// arXiv:2210.03142), by the second-order multistep solver of arXiv:2211.01095. ids: int64 [B,T]; empty: int64 [1,T] of the empty prompt.
Trajectories run_teacher(const Teacher& teacher, const DistillationGrid& grid, const at::Tensor& noise, const at::Tensor& ids, const at::Tensor& empty);

}  // namespace safelight
