#include <unistd.h>

#include "common/base/error.h"
#include "engine/text/clip_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const safelight::ClipTokenizer tokenizer = [] {
    const auto directory = std::filesystem::temp_directory_path() / ("safelight-fuzz-" + std::to_string(::getpid()));
    safelight::write_clip_tokenizer(directory, {"a", "red", "circle"}, 24);
    return safelight::ClipTokenizer::open(directory);
  }();
  try {
    tokenizer.encode({reinterpret_cast<const char*>(data), size}, 24);
  } catch (const safelight::Error&) {
  }
  return 0;
}
