#include <cstdlib>

#include "common/base/error.h"
#include "common/formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = safelight::parse_gguf(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [key, tensor] : file.entries) {
      const std::size_t numbers = tensor.bytes.size() / safelight::gguf_block_bytes(tensor.type) * safelight::gguf_block_size(tensor.type);
      std::size_t product = 1;
      for (const std::int64_t d : tensor.shape) product *= static_cast<std::size_t>(d);
      if (product != numbers) std::abort();  // what callers allocate by
      std::vector<float> out(numbers);
      safelight::gguf_dequantise(tensor.type, tensor.bytes, out);
    }
  } catch (const safelight::Error&) {
  }
  return 0;
}
