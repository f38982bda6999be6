// The settings of a scheduler, as scheduler_config.json states them, with each class's own defaults.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "common/base/json.h"

namespace safelight {

// flow: noise - x0. edm: minus v, in units of the data.
enum class Prediction { epsilon, v_prediction, sample, flow, edm };
const char* name(Prediction prediction);
Prediction prediction_named(const std::string& name);  // throws Error(invalid_argument) with the allowed names

// How a model's pictures were noised in training: solvers of one frame cannot run models of another.
enum class Frame { variance_preserving, flow, edm };
const char* name(Frame frame);
Frame frame_of(const std::string& class_name);

struct SchedulerConfig {
  std::string class_name;             // the reference's class, decides the solver and the defaults below
  int num_train_timesteps = 1000;
  double beta_start = 0.0001, beta_end = 0.02;
  std::string beta_schedule = "linear";   // linear, scaled_linear, squaredcos_cap_v2
  std::vector<double> trained_betas;
  Prediction prediction = Prediction::epsilon;
  std::string spacing = "leading";        // leading, trailing, linspace, sgm-uniform, beta
  std::string sigmas = "";                // "", karras, exponential, lu, beta: replaces the spacing's noise levels
  std::string interpolation = "linear";   // linear, log_linear
  int steps_offset = 0;
  bool rescale_betas_zero_snr = false;
  bool set_alpha_to_one = true;
  bool clip_sample = false;
  double clip_sample_range = 1.0;
  bool thresholding = false;
  double dynamic_thresholding_ratio = 0.995;
  double sample_max_value = 1.0;
  bool skip_prk_steps = false;
  std::string timestep_type = "discrete"; // discrete, continuous
  std::optional<double> sigma_min, sigma_max;
  std::string final_sigmas = "zero";      // zero, sigma_min
  int solver_order = 2;
  std::string algorithm = "dpmsolver++";  // dpmsolver, dpmsolver++, sde-dpmsolver, sde-dpmsolver++; deis
  std::string solver_type = "midpoint";   // midpoint, heun; bh1, bh2; logrho
  bool predict_x0 = true;
  std::vector<int> disable_corrector;     // steps
  std::string variance = "fixed_small";   // fixed_small, fixed_small_log, fixed_large
  bool lower_order_final = true;
  bool euler_at_final = false;
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();
  int original_inference_steps = 50;
  double timestep_scaling = 10.0;
  double shift = 1.0;                     // of flow matching
  bool use_dynamic_shifting = false;
  double base_shift = 0.5, max_shift = 1.15;
  int base_image_seq_len = 256, max_image_seq_len = 4096;
  double sigma_data = 0.5, rho = 7.0;     // of the EDM frame
  std::string sigma_schedule = "karras";  // karras, exponential

  Frame frame() const { return frame_of(class_name); }

  // Throws Error(corrupt_file, unsupported or conflict) naming `where`; unknown keys are rejected. `class_name`
  // overrides the file's class, as when another solver is chosen for a model: absent keys then take that class's defaults.
  static SchedulerConfig from_json(const Json& json, const std::string& where, const std::string& class_name = "");
};

}  // namespace safelight
