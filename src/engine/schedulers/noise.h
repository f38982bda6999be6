// Where noise comes from. Named generators, drawn on the CPU, counted so that a restart can catch up.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace safelight {

class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  virtual at::Tensor draw(at::IntArrayRef shape) = 0;  // float32 standard normal
};

// The reference framework's generator, one per image of the batch (seed, seed + 1, ...), so that seeds agree with the
// field's most used tool. `draw` fills row n of the first dimension from generator n.
class TorchNoise final : public NoiseSource {
 public:
  TorchNoise(std::uint64_t seed, int64_t images);
  at::Tensor draw(at::IntArrayRef shape) override;
  int64_t draws() const { return draws_; }
  // Draws of `shape` until `draws` were made in all: puts a fresh source where a stored run had left it.
  void skip_to(int64_t draws, at::IntArrayRef shape);

 private:
  std::vector<at::Generator> generators_;
  int64_t draws_ = 0;
};

}  // namespace safelight
