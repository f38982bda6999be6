// Layers by plain calls of the library: what the fast paths are measured against.
#pragma once

namespace safelight {

// While it lives, its own thread computes attention as product, softmax, product, and linear layers and norms by libtorch's own functions. Convolutions
// follow whether their weights were frozen (Parameters::freeze). They nest.
class PlainKernels {
 public:
  PlainKernels() { ++depth_; }
  ~PlainKernels() { --depth_; }
  PlainKernels(const PlainKernels&) = delete;
  PlainKernels& operator=(const PlainKernels&) = delete;
  static bool wanted() { return depth_ > 0; }

 private:
  static thread_local int depth_;
};

}  // namespace safelight
