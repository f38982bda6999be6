// T5's tokenizer over SentencePiece (Kudo and Richardson, arXiv:1808.06226), with the special tokens of its files.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "engine/text/sentencepiece.h"
#include "engine/text/tokenizer.h"

namespace safelight {

class T5Tokenizer final : public Tokenizer {
 public:
  // Reads spiece.model, and tokenizer_config.json or added_tokens.json where they lie beside it. `legacy`: every stretch between
  // special tokens begins a word, as in models before transformers 4.31; absent: as tokenizer_config.json says, else true.
  // Throws Error(not_found, corrupt_file).
  static std::shared_ptr<T5Tokenizer> open(const std::filesystem::path& directory, std::optional<bool> legacy = {});

  // content, end, padding: T5 has no begin token.
  TokenizedPrompt encode(std::string_view utf8, int max_length) const override;
  int max_length() const override { return 512; }
  std::int64_t bos_id() const override { return -1; }
  std::int64_t eos_id() const override { return 1; }
  std::int64_t pad_id() const override { return 0; }
  std::int64_t vocabulary_size() const;

 private:
  struct Special {
    std::string text;
    std::int64_t id = 0;
    bool strips_left = false, strips_right = false;
  };
  explicit T5Tokenizer(SentencePieceModel model) : model_(std::move(model)) {}
  const Special* special_at(std::string_view text) const;

  SentencePieceModel model_;
  std::vector<Special> specials_;  // longest first
  bool legacy_ = true;
};

}  // namespace safelight
