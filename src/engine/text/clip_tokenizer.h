// Byte-level BPE of CLIP (arXiv:2103.00020; BPE: Sennrich et al., arXiv:1508.07909), from a tokenizer/ directory.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/text/text_cleaning.h"
#include "engine/text/tokenizer.h"

namespace safelight {

class ClipTokenizer final : public Tokenizer {
 public:
  // Reads vocab.json, merges.txt, and where present special_tokens_map.json and tokenizer_config.json.
  // Throws Error(not_found or corrupt_file) naming the file.
  static ClipTokenizer open(const std::filesystem::path& directory, Cleaning cleaning = Cleaning::repaired);

  TokenizedPrompt encode(std::string_view utf8, int max_length) const override;
  // The content alone, of any length; words outside a closed vocabulary go to `unknown_words`.
  std::vector<TokenSpan> content(std::string_view utf8, std::vector<std::string>& unknown_words) const;
  // A learned word of `rows` vectors: one token that stands for as many ids. Returns the first of them. Throws
  // Error(conflict) when the token is known already.
  std::int64_t add_word(const std::string& token, std::int64_t rows);
  int max_length() const override { return max_length_; }
  std::int64_t bos_id() const override { return bos_; }
  std::int64_t eos_id() const override { return eos_; }
  std::int64_t pad_id() const override { return pad_; }
  std::int64_t vocabulary_size() const { return static_cast<std::int64_t>(vocabulary_.size()); }
  std::pair<std::string, std::int64_t> largest() const;  // the token with the largest id
  bool closed() const { return !closed_.empty(); }

 private:
  struct Segment {
    std::string_view text;
    bool special = false;
  };
  std::vector<Segment> segments(std::string_view text) const;
  std::vector<std::string> split(std::u32string_view text) const;  // words and UTF-8
  std::vector<std::string> pieces_of(const std::string& word, bool spelled) const;
  std::vector<std::string> words_of(std::string_view text) const;
  void read_specials(const std::filesystem::path& directory);

  std::unordered_map<std::string, std::int64_t> vocabulary_;
  std::unordered_map<std::string, std::size_t> ranks_;  // "left right" -> priority
  std::vector<std::string> specials_;
  std::unordered_map<std::string, std::int64_t> added_;  // learned words -> how many ids each stands for
  std::int64_t bos_ = 0, eos_ = 0, pad_ = 0, unk_ = 0;
  int max_length_ = 77;
  std::set<std::string> closed_;  // when not empty, the only words that are known, but for those in quotes
  bool open_quotes_ = false;      // closed vocabularies: what stands between quotation marks may be any word
  bool spells_quoted_ = false;    // words in quotes become one token a letter: nothing is merged
  Cleaning cleaning_ = Cleaning::repaired;
};

struct WordTokenizer {
  std::vector<std::string> words;          // the closed vocabulary: a token each
  std::vector<std::string> quoted_words;   // words in quotes that have a token of their own as well
  bool spells_quoted = false;              // words in quotes are spelled, a token a letter
  int max_length = 77;
};

// Writes the directory of a tokenizer whose tokens are whole words: an ordinary CLIP tokenizer whose merges build each
// word, with the list "safelight_words" in tokenizer_config.json so that other words are reported instead of spelled. With a
// quotation mark among the words, "safelight_quoted" ("merged" or "spelled") says what becomes of words in quotes.
void write_clip_tokenizer(const std::filesystem::path& directory, const WordTokenizer& tokenizer);

}  // namespace safelight
