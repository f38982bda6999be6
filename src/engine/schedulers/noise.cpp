#include "engine/schedulers/noise.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace safelight {

TorchNoise::TorchNoise(std::uint64_t seed, int64_t images) {
  for (int64_t i = 0; i < images; ++i)
    generators_.push_back(at::detail::createCPUGenerator(seed + static_cast<std::uint64_t>(i)));
}

at::Tensor TorchNoise::draw(at::IntArrayRef shape) {
  ++draws_;
  std::vector<int64_t> one(shape.begin(), shape.end());
  one[0] = 1;
  std::vector<at::Tensor> rows;
  for (at::Generator& g : generators_) rows.push_back(at::randn(one, g, at::TensorOptions(at::kFloat)));
  return rows.size() == 1 ? rows[0] : at::cat(rows, 0);
}

void TorchNoise::skip_to(int64_t draws, at::IntArrayRef shape) {
  while (draws_ < draws) draw(shape);
}

}  // namespace safelight
