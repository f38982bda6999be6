#include "finish/typography/text_metric.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace safelight {
namespace {

using Tokens = std::vector<std::string>;

// Code points as strings of bytes; a stray continuation byte joins the one before it, so hostile bytes cannot run past the end.
Tokens code_points(std::string_view text) {
  Tokens out;
  for (const char c : text) {
    if (out.empty() || (static_cast<unsigned char>(c) & 0xC0) != 0x80) out.emplace_back();
    out.back() += c;
  }
  return out;
}

Tokens words_of(std::string_view text) {
  Tokens out;
  const std::string clean = collapse_blanks(text);
  for (std::size_t at = 0; at < clean.size();) {
    const std::size_t end = std::min(clean.find(' ', at), clean.size());
    out.push_back(clean.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// Levenshtein's: insertions, deletions and substitutions that lead from one to the other.
std::size_t edit_distance(const Tokens& a, const Tokens& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t best = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = std::exchange(row[j], best);
    }
  }
  return row.back();
}

double error_rate(const Tokens& read, const Tokens& expected) {
  if (expected.empty()) return read.empty() ? 0 : 1;
  return static_cast<double>(edit_distance(read, expected)) / static_cast<double>(expected.size());
}

}  // namespace

std::string collapse_blanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!blank) out += c;
    else if (!out.empty() && out.back() != ' ') out += ' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::pair<std::size_t, std::size_t>> quoted_ranges(std::string_view prompt) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kQuotes = {{{"\"", "\""}, {"“", "”"}, {"«", "»"}, {"「", "」"}}};
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t at = 0; at < prompt.size(); ++at)
    for (const auto& [open, close] : kQuotes) {
      if (prompt.substr(at, open.size()) != open) continue;
      const std::size_t end = prompt.find(close, at + open.size());
      if (end == std::string_view::npos) continue;
      out.emplace_back(at, end + close.size());
      at = end + close.size() - 1;
      break;
    }
  return out;
}

std::vector<std::string> quoted_texts(std::string_view prompt) {
  std::vector<std::string> out;
  for (const auto& [begin, end] : quoted_ranges(prompt)) {
    const std::size_t quote = prompt[begin] == '"' ? 1 : prompt[begin] == '\xC2' ? 2 : 3;  // bytes of the mark, the same on both sides
    if (std::string text = collapse_blanks(prompt.substr(begin + quote, end - begin - 2 * quote)); !text.empty()) out.push_back(std::move(text));
  }
  return out;
}

double character_error_rate(std::string_view read, std::string_view expected) { return error_rate(code_points(read), code_points(expected)); }

double word_error_rate(std::string_view read, std::string_view expected) { return error_rate(words_of(read), words_of(expected)); }

double text_similarity(std::string_view read, std::string_view expected) {
  const Tokens a = code_points(read), b = code_points(expected);
  const std::size_t longest = std::max(a.size(), b.size());
  return longest == 0 ? 1 : 1 - static_cast<double>(edit_distance(a, b)) / static_cast<double>(longest);
}

}  // namespace safelight
