// What the machine can do at most, measured beside what is timed: large products and convolutions through libtorch, and copying.
#pragma once

#include <ATen/core/Tensor.h>

namespace safelight::app {

class Ceiling {
 public:
  Ceiling(at::ScalarType dtype, at::Device device);
  // One measurement each; FLOP/s, and bytes/s read and written.
  double product() const;       // of square matrices: sides of 2048, elsewhere than on the processor 8192
  double convolution() const;   // 3 x 3, 320 to 320 channels, 64 x 64; pictures: 2, elsewhere 32
  double copy() const;          // 256 MiB

 private:
  at::Device device_;
  at::Tensor a_, b_, x_, w_, from_, to_;
};

}  // namespace safelight::app
