// A SentencePiece model and a text, both from outside: the model is refused, or it splits the text.
#include <cstdint>
#include <string_view>

#include "common/base/error.h"
#include "engine/text/sentencepiece.h"
#include "engine/text/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace safelight;
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t text_size = std::min<std::size_t>(data[0], input.size());
  const std::string_view text = input.substr(0, text_size), model = input.substr(text_size);
  try {
    const SentencePieceModel m = SentencePieceModel::parse(model, "fuzz");
    unicode::decode(text);  // callers give valid UTF-8
    std::size_t bytes = 0;
    for (const auto& piece : m.encode(text, static_cast<SentencePieceModel::Begin>(data[1] % 3))) bytes += piece.text.size();
    if (bytes > (std::size_t{65} << 20)) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
