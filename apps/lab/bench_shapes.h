// Architectures to time: the shapes of published models with random weights made in memory. An architecture is one row of the table.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor/hooks.h"

namespace safelight::app {

// One thing that can be timed, and its name.
struct BenchStage {
  std::string name;           // text, step, decode
  std::function<void()> run;
};

struct BenchShape {
  int64_t size_px = 512, batch = 1;   // batch: pictures
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  bool share_weights = false;         // parameters of one shape are one tensor: for models larger than the memory
  bool frozen = true;                 // weights may be packed, as those of an opened model
};

struct BenchModel {
  std::vector<BenchStage> stages;     // hold what they need
  int64_t parameters = 0;
  std::uint64_t weight_bytes = 0;     // as held
};

struct BenchArchitecture {
  const char* name;
  const char* summary;
  BenchModel (*build)(const BenchShape& shape);
};

const std::vector<BenchArchitecture>& bench_architectures();
// Throws Error(invalid_argument) listing the names.
const BenchArchitecture& bench_architecture(const std::string& name);

}  // namespace safelight::app
