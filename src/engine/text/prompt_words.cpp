#include "engine/text/tokenizer.h"

namespace safelight {

std::vector<TokenWord> words_of(const TokenizedPrompt& prompt) {
  std::vector<TokenWord> out;
  bool begins = true;
  for (std::size_t i = 0; i < prompt.tokens.size(); ++i) {
    const TokenSpan& t = prompt.tokens[i];
    if (t.special) continue;
    if (begins) out.push_back({.text = "", .token = static_cast<int>(i), .tokens = 0});
    out.back().text += t.text;
    ++out.back().tokens;
    begins = t.ends_word;
  }
  return out;
}

}  // namespace safelight
