// Text -> token ids, with an account of what became of every word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace safelight {

struct TokenSpan {
  std::int64_t id = 0;
  std::string text;        // for display, "circle"
  bool special = false;    // begin or end token
  bool ends_word = true;
};

struct TokenizedPrompt {
  std::vector<std::int64_t> ids;          // begin, content, end, padding: exactly max_length
  std::vector<TokenSpan> tokens;          // begin, content, end
  std::vector<TokenSpan> truncated;       // content that did not fit
  std::vector<std::string> unknown_words; // words outside a closed vocabulary; they are left out of ids
  std::int64_t content = 0;               // number of content tokens kept
  std::vector<float> weights;             // of each id, from (words:1.3); empty: all are 1
  int chunks = 1;                         // of the text encoder's length, side by side
  std::vector<std::string> split_words;   // words that a border between chunks cuts
};

// A word of a prompt and the places of its tokens among TokenizedPrompt::tokens.
struct TokenWord {
  std::string text;
  int token = 0, tokens = 0;
};
std::vector<TokenWord> words_of(const TokenizedPrompt& prompt);   // in order; special tokens belong to none

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Throws Error(invalid_argument) for invalid UTF-8, naming the byte. Linear in the text's length. Thread-safe.
  virtual TokenizedPrompt encode(std::string_view utf8, int max_length) const = 0;
  virtual int max_length() const = 0;
  virtual std::int64_t bos_id() const = 0;
  virtual std::int64_t eos_id() const = 0;
  virtual std::int64_t pad_id() const = 0;
};

}  // namespace safelight
