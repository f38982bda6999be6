// Weights in GGUF blocks, as tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "common/formats/gguf.h"

namespace safelight {

// blocks: uint8 [bytes], rows after one another. Returns `shape` in `dtype`. Uses all threads.
at::Tensor unpacked(const at::Tensor& blocks, GgufType type, const std::vector<int64_t>& shape, at::ScalarType dtype);

}  // namespace safelight
