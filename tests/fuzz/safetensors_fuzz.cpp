#include "common/base/error.h"
#include "common/formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    safelight::parse_safetensors_header({reinterpret_cast<const char*>(data), size}, size * 3, "fuzz");
  } catch (const safelight::Error&) {
  }
  return 0;
}
