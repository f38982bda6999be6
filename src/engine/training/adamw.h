// AdamW (Loshchilov and Hutter, arXiv:1711.05101) with an exponential moving average of the weights, on any device.
// State is kept in float32, in flat lists parallel to the parameters. Parameters may be of half precision: then the
// float32 weights that are updated live here, and the parameters are their rounded copies (mixed precision).
#pragma once

#include <vector>

#include <c10/core/ScalarType.h>

#include "engine/weights/parameters.h"

namespace safelight {

struct AdamWSettings {
  at::ScalarType precision = at::kFloat;  // of the parameters while they are trained: float32 or bfloat16
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.01;   // on matrices and kernels only, not on norms and biases
  double clip_norm = 1.0;       // global gradient norm; 0: off
  double ema_decay = 0.999;     // reached after a warm-up of min(decay, (1 + step) / (10 + step))
};

class AdamW {
 public:
  // `parameters` must be initialised, float32, and outlive the optimiser; they are converted to `precision`.
  AdamW(Parameters& parameters, AdamWSettings settings);

  // Applies one update from the accumulated gradients and clears them. Returns the gradient norm before clipping.
  // A step whose gradient norm is not finite is skipped (gradients cleared, moments untouched).
  double step(double learning_rate);

  int64_t steps() const { return step_; }
  // The float32 weights and their average, in the order of Parameters::all(). For saving and for sampling.
  const std::vector<at::Tensor>& weights() const { return weights_; }
  const std::vector<at::Tensor>& average() const { return average_; }
  // State for checkpoints: first moments, second moments, average, each in the order of Parameters::all().
  std::vector<at::Tensor>& first() { return first_; }
  std::vector<at::Tensor>& second() { return second_; }
  std::vector<at::Tensor>& mutable_average() { return average_; }
  // Sets one float32 weight and the parameter that is its copy.
  void set_weight(std::size_t index, const at::Tensor& value);
  void set_steps(int64_t steps) { step_ = steps; }
  // Ends training: the parameters become the averaged weights, float32, without gradients.
  void finish();
  // Makes the average equal to the current weights, as when training starts from a finished model.
  void reset_average();

 private:
  Parameters& parameters_;
  AdamWSettings settings_;
  std::vector<at::Tensor> weights_, first_, second_, average_;  // weights_ shares memory with float32 parameters
  int64_t step_ = 0;
};

}  // namespace safelight
