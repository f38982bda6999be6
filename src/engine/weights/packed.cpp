#include "engine/weights/packed.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace safelight {

at::Tensor unpacked(const at::Tensor& blocks, GgufType type, const std::vector<int64_t>& shape, at::ScalarType dtype) {
  const at::Tensor out = at::empty(shape, dtype);
  const auto per_block = static_cast<int64_t>(gguf_block_size(type)), bytes = static_cast<int64_t>(gguf_block_bytes(type));
  const auto* from = static_cast<const std::byte*>(blocks.data_ptr());
  constexpr int64_t kGrain = 256;  // blocks that one turn of a thread unpacks
  at::parallel_for(0, out.numel() / per_block, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer;
    for (int64_t at_block = begin; at_block < end; at_block += kGrain) {
      const int64_t count = std::min(kGrain, end - at_block), numbers = count * per_block;
      const std::span<const std::byte> part(from + at_block * bytes, static_cast<std::size_t>(count * bytes));
      if (dtype == at::kFloat) {
        gguf_dequantise(type, part, {out.data_ptr<float>() + at_block * per_block, static_cast<std::size_t>(numbers)});
        continue;
      }
      buffer.resize(static_cast<std::size_t>(numbers));
      gguf_dequantise(type, part, buffer);
      const at::Tensor place = out.flatten().slice(0, at_block * per_block, at_block * per_block + numbers);
      place.copy_(at::from_blob(buffer.data(), {numbers}, at::kFloat));
    }
  });
  return out;
}

}  // namespace safelight
