// What the machine can do at most, measured beside what is timed: large products and convolutions through libtorch, and copying.
#pragma once

#include <ATen/core/Tensor.h>

namespace safelight::app {

class Ceiling {
 public:
  explicit Ceiling(at::ScalarType dtype);
  // One measurement each; FLOP/s, and bytes/s read and written.
  double product() const;       // 2048 x 2048 by 2048 x 2048
  double convolution() const;   // 3 x 3, 320 to 320 channels, 2 x 64 x 64
  double copy() const;          // 256 MiB

 private:
  at::Tensor a_, b_, x_, w_, from_, to_;
};

}  // namespace safelight::app
