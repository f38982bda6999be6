#include "engine/text/sentencepiece.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight {
namespace {

constexpr std::uint64_t kLargestModel = std::uint64_t{64} << 20;
constexpr std::size_t kLargestText = std::size_t{64} << 20;
constexpr std::size_t kLongestRule = 1024;  // bytes that one rule of the normaliser may match
constexpr std::string_view kSpace = "\xe2\x96\x81";
constexpr float kUnknownPenalty = 10.0F;

std::size_t sequence_length(char lead) {
  static constexpr unsigned char kLengths[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  return kLengths[static_cast<unsigned char>(lead) >> 4U];
}

std::size_t first_character(std::string_view text) { return std::min(sequence_length(text.front()), text.size()); }

// The wire format of protocol buffers: fields one after another, unknown ones skipped.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    field = key >> 3U;
    wire = static_cast<int>(key & 7U);
    if (field == 0) fail("a field has number 0");
    if (wire == 0) {
      number = varint();
    } else if (wire == 1) {
      bytes = take(8);
    } else if (wire == 2) {
      bytes = take(varint());
    } else if (wire == 5) {
      bytes = take(4);
    } else {
      fail("a field has the unknown wire type " + std::to_string(wire));
    }
    return true;
  }
  std::string_view text() const { return require(2), bytes; }
  std::uint64_t value() const { return require(0), number; }
  float real() const {
    require(5);
    std::uint32_t bits = 0;
    std::memcpy(&bits, bytes.data(), 4);
    return std::bit_cast<float>(bits);
  }

  std::uint64_t field = 0;

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupt_file, where_ + " is not a SentencePiece model: " + what);
  }
  void require(int type) const {
    if (wire != type) fail("field " + std::to_string(field) + " has wire type " + std::to_string(wire) + " instead of " + std::to_string(type));
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) fail("a field ends " + std::to_string(size - rest_.size()) + " bytes past the end of its message");
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) fail("it ends within a number");
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80U) return out;
    }
    fail("a number is longer than 10 bytes");
  }

  int wire = 0;
  std::uint64_t number = 0;
  std::string_view bytes, rest_;
  const std::string& where_;
};

}  // namespace

SentencePieceModel SentencePieceModel::read(const std::filesystem::path& file) {
  return parse(read_file(file, kLargestModel), "'" + file.string() + "'");
}

SentencePieceModel SentencePieceModel::parse(std::string_view bytes, const std::string& where) {
  SentencePieceModel model;
  model.where_ = where;
  std::uint64_t kind = 1;
  for (Message m(bytes, where); m.next();) {
    if (m.field == 1) model.read_piece(m.text());
    if (m.field == 3) model.read_normaliser(m.text());
    if (m.field != 2) continue;
    for (Message trainer(m.text(), where); trainer.next();) {
      if (trainer.field == 3) kind = trainer.value();
      if (trainer.field == 24) model.space_is_suffix_ = trainer.value() != 0;
      if (trainer.field == 35) model.spells_bytes_ = trainer.value() != 0;
    }
  }
  if (kind != 1)
    throw Error(ErrorCode::unsupported, where + " is a SentencePiece model of kind " + std::to_string(kind) + "; only unigram models (kind 1) are read");
  model.index();
  return model;
}

void SentencePieceModel::read_piece(std::string_view message) {
  Entry entry;
  for (Message m(message, where_); m.next();) {
    if (m.field == 1) entry.text = m.text();
    if (m.field == 2) entry.score = m.real();
    if (m.field == 3) {
      if (m.value() < 1 || m.value() > 6)
        throw Error(ErrorCode::corrupt_file, where_ + ": piece " + std::to_string(pieces_.size()) + " has the unknown type " + std::to_string(m.value()));
      entry.type = static_cast<Type>(m.value());
    }
  }
  if (entry.text.empty() || !std::isfinite(entry.score))
    throw Error(ErrorCode::corrupt_file, where_ + ": piece " + std::to_string(pieces_.size()) + (entry.text.empty() ? " is empty" : " has no finite score"));
  pieces_.push_back(std::move(entry));
}

void SentencePieceModel::read_normaliser(std::string_view message) {
  std::string_view map;
  for (Message m(message, where_); m.next();) {
    if (m.field == 2) map = m.text();
    if (m.field == 3) adds_prefix_ = m.value() != 0;
    if (m.field == 4) removes_extra_spaces_ = m.value() != 0;
    if (m.field == 5) escapes_spaces_ = m.value() != 0;
  }
  if (map.empty()) return;
  // The map: the trie's size in bytes, the trie, and the strings that its values point into.
  std::uint32_t size = 0;
  if (map.size() >= 4) std::memcpy(&size, map.data(), 4);
  if (map.size() < 4 || size < 4 || size % 4 != 0 || size > map.size() - 4)
    throw Error(ErrorCode::corrupt_file, where_ + ": the normaliser's table of " + std::to_string(map.size()) + " bytes does not hold a trie of " + std::to_string(size));
  units_.resize(size / 4);
  std::memcpy(units_.data(), map.data() + 4, size);
  replacements_ = map.substr(4 + size);
  if (!replacements_.empty() && replacements_.back() != 0) replacements_.push_back('\0');
}

void SentencePieceModel::index() {
  if (pieces_.empty()) throw Error(ErrorCode::corrupt_file, where_ + " holds no vocabulary");
  lowest_ = std::numeric_limits<float>::max();
  highest_ = std::numeric_limits<float>::lowest();
  if (spells_bytes_) byte_ids_.assign(256, -1);
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const Entry& e = pieces_[i];
    if (e.type == Type::normal) lowest_ = std::min(lowest_, e.score), highest_ = std::max(highest_, e.score);
    if (e.type == Type::normal || e.type == Type::user_defined || e.type == Type::unused) sorted_.push_back(static_cast<std::int32_t>(i));
    if (e.type == Type::unknown) {
      if (unknown_ >= 0) throw Error(ErrorCode::corrupt_file, where_ + " has two unknown pieces, " + std::to_string(unknown_) + " and " + std::to_string(i));
      unknown_ = static_cast<std::int64_t>(i);
    }
    unsigned byte = 0;
    if (spells_bytes_ && e.type == Type::byte && std::sscanf(e.text.c_str(), "<0x%02X>", &byte) == 1 && byte < 256) byte_ids_[byte] = static_cast<std::int64_t>(i);
  }
  if (unknown_ < 0) throw Error(ErrorCode::corrupt_file, where_ + " has no unknown piece");
  if (spells_bytes_ && std::find(byte_ids_.begin(), byte_ids_.end(), -1) != byte_ids_.end())
    throw Error(ErrorCode::corrupt_file, where_ + " spells unknown characters in bytes but lacks some of the 256 byte pieces");
  std::sort(sorted_.begin(), sorted_.end(), [&](std::int32_t a, std::int32_t b) {
    return pieces_[static_cast<std::size_t>(a)].text < pieces_[static_cast<std::size_t>(b)].text;
  });
  for (std::size_t i = 1; i < sorted_.size(); ++i)
    if (pieces_[static_cast<std::size_t>(sorted_[i])].text == pieces_[static_cast<std::size_t>(sorted_[i - 1])].text)
      throw Error(ErrorCode::corrupt_file, where_ + ": pieces " + std::to_string(sorted_[i - 1]) + " and " + std::to_string(sorted_[i]) + " are the same");
}

template <class F>
void SentencePieceModel::for_prefixes(std::string_view text, F&& found) const {
  auto low = sorted_.begin(), high = sorted_.end();
  const auto text_of = [&](std::int32_t id) -> const std::string& { return pieces_[static_cast<std::size_t>(id)].text; };
  for (std::size_t n = 0; n < text.size(); ++n) {
    // All entries in [low, high) share the first n bytes with the text; keep those that share one more.
    const auto byte = static_cast<unsigned char>(text[n]);
    low = std::partition_point(low, high, [&](std::int32_t id) { return text_of(id).size() <= n || static_cast<unsigned char>(text_of(id)[n]) < byte; });
    high = std::partition_point(low, high, [&](std::int32_t id) { return static_cast<unsigned char>(text_of(id)[n]) <= byte; });
    if (low == high) return;
    if (text_of(*low).size() == n + 1) found(*low, n + 1);
  }
}

SentencePieceModel::Normalised SentencePieceModel::normalised_prefix(std::string_view text) const {
  std::size_t longest_own = 0;
  for_prefixes(text, [&](std::int32_t id, std::size_t n) {
    if (pieces_[static_cast<std::size_t>(id)].type == Type::user_defined) longest_own = n;
  });
  if (longest_own > 0) return {text.substr(0, longest_own), longest_own};
  const auto offset_of = [](std::uint32_t unit) { return (unit >> 10U) << ((unit & (1U << 9U)) >> 6U); };
  std::size_t longest = 0;
  std::uint32_t value = 0;
  if (!units_.empty()) {
    std::size_t at = offset_of(units_[0]);
    for (std::size_t n = 0; n < std::min(text.size(), kLongestRule); ++n) {
      const auto byte = static_cast<unsigned char>(text[n]);
      at ^= byte;
      if (at >= units_.size() || (units_[at] & ((1U << 31U) | 0xFFU)) != byte) break;
      const std::uint32_t unit = units_[at];
      at ^= offset_of(unit);
      if ((unit >> 8U) & 1U) {
        if (at >= units_.size()) break;
        longest = n + 1;
        value = units_[at] & ((1U << 31U) - 1);
      }
    }
  }
  if (longest == 0) {
    const std::size_t n = first_character(text);
    return {text.substr(0, n), n};
  }
  if (value >= replacements_.size()) throw Error(ErrorCode::corrupt_file, where_ + ": a rule of the normaliser points outside its strings");
  return {std::string_view(replacements_.c_str() + value), longest};
}

std::string SentencePieceModel::normalise(std::string_view text, Begin begin) const {
  const std::string_view space = escapes_spaces_ ? kSpace : std::string_view(" ");
  std::string out;
  while (removes_extra_spaces_ && begin != Begin::inside && !text.empty()) {
    const Normalised p = normalised_prefix(text);
    if (p.text != " ") break;
    text.remove_prefix(p.consumed);
  }
  if (text.empty()) return out;
  const bool pads = adds_prefix_ && begin == Begin::word;
  if (pads && !space_is_suffix_) out += space;
  bool after_space = removes_extra_spaces_ && begin != Begin::inside;
  while (!text.empty()) {
    const Normalised p = normalised_prefix(text);
    std::string_view piece = p.text;
    while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
    if (!piece.empty()) {
      for (const char c : piece) c == ' ' ? out.append(space) : out.append(1, c);
      after_space = removes_extra_spaces_ && piece.ends_with(' ');
    }
    if (out.size() > kLargestText) throw Error(ErrorCode::corrupt_file, where_ + ": its normaliser makes more than 64 MiB of a prompt");
    text.remove_prefix(p.consumed);
  }
  while (removes_extra_spaces_ && std::string_view(out).ends_with(space)) out.resize(out.size() - space.size());
  if (pads && space_is_suffix_) out += space;
  return out;
}

std::vector<SentencePieceModel::Piece> SentencePieceModel::encode(std::string_view utf8, Begin begin) const {
  const std::string text = normalise(utf8, begin);
  // Viterbi over byte positions: the best path that ends at each.
  struct Node {
    std::int64_t id = -1;
    std::size_t start = 0;
    float score = 0;
    bool reached = false;
  };
  std::vector<Node> best(text.size() + 1);
  best[0].reached = true;
  const float unknown_score = lowest_ - kUnknownPenalty;
  const auto offer = [&](std::size_t start, std::size_t end, std::int64_t id, float score) {
    Node& node = best[end];
    if (node.reached && score <= node.score) return;
    node = {id, start, score, true};
  };
  for (std::size_t start = 0; start < text.size();) {
    const std::string_view rest = std::string_view(text).substr(start);
    const std::size_t one = first_character(rest);
    const float here = best[start].score;
    bool single = false;
    for_prefixes(rest, [&](std::int32_t id, std::size_t n) {
      const Entry& e = pieces_[static_cast<std::size_t>(id)];
      if (e.type == Type::unused) return;
      const float score = e.type == Type::user_defined ? static_cast<float>(n) * highest_ - 0.1F : e.score;
      offer(start, start + n, id, here + score);
      single = single || n == one;
    });
    if (!single) offer(start, start + one, unknown_, here + unknown_score);
    do ++start;
    while (start < text.size() && !best[start].reached);
  }
  std::vector<Piece> out;
  for (std::size_t end = text.size(); end > 0; end = best[end].start)
    out.push_back({text.substr(best[end].start, end - best[end].start), best[end].id});
  std::reverse(out.begin(), out.end());
  std::vector<Piece> joined;
  for (Piece& piece : out) {
    if (piece.id == unknown_ && spells_bytes_) {
      for (const char c : piece.text) {
        const std::int64_t id = byte_ids_[static_cast<unsigned char>(c)];
        joined.push_back({pieces_[static_cast<std::size_t>(id)].text, id});
      }
    } else if (piece.id == unknown_ && !joined.empty() && joined.back().id == unknown_) {
      joined.back().text += piece.text;
    } else {
      joined.push_back(std::move(piece));
    }
  }
  return joined;
}

}  // namespace safelight
