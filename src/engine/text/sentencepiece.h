// SentencePiece models of the unigram kind (Kudo, arXiv:1804.10959; Kudo and Richardson, arXiv:1808.06226), read from a
// serialised ModelProto. Our own reader, for two reasons: the models come with downloads, and the library walks their
// tables without bounds; and its bundled protobuf collides with libtorch's in one process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace safelight {

// Immutable once read; safe to share between threads.
class SentencePieceModel {
 public:
  struct Piece {
    std::string text;
    std::int64_t id = 0;
  };

  // Throws Error(not_found, corrupt_file; unsupported for BPE, word and character models).
  static SentencePieceModel read(const std::filesystem::path& file);
  // `where` names the source in errors.
  static SentencePieceModel parse(std::string_view bytes, const std::string& where);

  std::int64_t size() const { return static_cast<std::int64_t>(pieces_.size()); }

  // How a text begins: with the model's space in front; as it is, without its leading spaces; or going on after something
  // else, one leading space being kept.
  enum class Begin { word, bare, inside };

  // The likeliest segmentation of valid UTF-8, a run of unknown characters being one piece of the unknown id. Time n times
  // the longest piece. Throws Error(corrupt_file) when the model's normaliser expands the text beyond 64 MiB.
  std::vector<Piece> encode(std::string_view utf8, Begin begin) const;

 private:
  enum class Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };
  struct Entry {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  struct Normalised {
    std::string_view text;
    std::size_t consumed = 0;
  };

  void read_piece(std::string_view message);
  void read_normaliser(std::string_view message);
  void index();
  Normalised normalised_prefix(std::string_view text) const;
  std::string normalise(std::string_view text, Begin begin) const;
  // Calls `found(id, length)` for every entry that `text` begins with, shortest first.
  template <class F>
  void for_prefixes(std::string_view text, F&& found) const;

  std::string where_;
  std::vector<Entry> pieces_;
  std::vector<std::int32_t> sorted_;        // ids that text can be split into, by their bytes
  std::vector<std::int64_t> byte_ids_;      // 256 when the model spells unknown characters in bytes
  std::int64_t unknown_ = -1;
  float lowest_ = 0, highest_ = 0;
  std::vector<std::uint32_t> units_;        // the normaliser's double-array trie (Aoe 1989)
  std::string replacements_;                // its strings, each ended by a zero
  bool adds_prefix_ = true, removes_extra_spaces_ = true, escapes_spaces_ = true, space_is_suffix_ = false, spells_bytes_ = false;
};

}  // namespace safelight
