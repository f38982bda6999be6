#include "engine/training/checker/scene_words.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "engine/training/scenes/captions.h"

namespace safelight {
namespace {

constexpr std::array<std::array<std::string_view, 2>, 23> kSpellings = {{
    {"an", "a"},          {"grey", "gray"},        {"centre", "middle"},   {"center", "middle"},       {"upper", "top"},
    {"lower", "bottom"},  {"over", "above"},       {"under", "below"},     {"beneath", "below"},       {"underneath", "below"},
    {"within", "inside"}, {"big", "large"},        {"little", "small"},    {"tiny", "small"},          {"checked", "checkered"},
    {"chequered", "checkered"}, {"stripes", "striped"}, {"board", "sign"}, {"signs", "sign"},          {"image", "picture"},
    {"photo", "picture"}, {"drawing", "picture"},  {"backdrop", "background"},
}};
constexpr std::array<std::string_view, 32> kFillers = {"a",    "the",     "and",  "is",     "are",  "that",  "there",   "this",  "of",      "on",      "in",
                                                       "at",   "to",      "with", "word",   "text", "which", "letters", "says",  "say",     "saying",  "reads",
                                                       "reading", "it",   "its",  "side",   "part", "half",  "plain",   "showing", "picture", ","};
constexpr std::array<std::string_view, 8> kNouns = {"object", "objects", "shape", "shapes", "thing", "things", "figure", "figures"};

template <class Table>
bool contains(const Table& table, std::string_view word) {
  return std::find(table.begin(), table.end(), word) != table.end();
}

char lowered(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); }
char capital(char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); }

// Typographic quotation marks become plain ones.
std::string with_plain_quotes(std::string text) {
  constexpr std::array<std::array<std::string_view, 2>, 7> kMarks = {
      {{"\u201c", "\""}, {"\u201d", "\""}, {"\u201e", "\""}, {"\u00ab", "\""}, {"\u00bb", "\""}, {"\u2018", "'"}, {"\u2019", "'"}}};
  for (const auto& [from, to] : kMarks)
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;) text.replace(at, from.size(), to);
  return text;
}

}  // namespace

std::vector<Word> words_of(const std::string& raw) {
  const std::string text = with_plain_quotes(raw);
  std::vector<Word> out;
  std::string word;
  const auto finish = [&] {
    for (const auto& [from, to] : kSpellings)
      if (word == from) word = to;
    if (!word.empty()) out.push_back({std::exchange(word, ""), false});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || (c == '\'' && word.empty())) {
      finish();
      const std::size_t end = std::min(text.find(c, i + 1), text.size());
      Word quotation{text.substr(i + 1, end - i - 1), true};
      std::transform(quotation.text.begin(), quotation.text.end(), quotation.text.begin(), capital);
      out.push_back(std::move(quotation));
      i = end;
    } else if (std::string_view(" \t\r\n-").find(c) != std::string_view::npos) {
      finish();
    } else if (std::string_view(",.;:!?()").find(c) != std::string_view::npos) {
      finish();
      out.push_back({",", false});
    } else {
      word += lowered(c);
    }
  }
  finish();
  return out;
}

std::optional<Noun> noun_of(const std::string& word) {
  for (int i = 0; i < kShapes; ++i) {
    const auto shape = static_cast<Shape>(i);
    if (word == name(shape) || word == plural(shape)) return Noun{shape, word != name(shape)};
  }
  if (contains(kNouns, word)) return Noun{std::nullopt, word.back() == 's'};
  return std::nullopt;
}

std::optional<int> number_of(const std::string& word) {
  constexpr std::array<std::array<std::string_view, 2>, 4> kNumbers = {{{"one", "1"}, {"two", "2"}, {"three", "3"}, {"four", "4"}}};
  for (std::size_t i = 0; i < kNumbers.size(); ++i)
    if (contains(kNumbers[i], word)) return static_cast<int>(i) + 1;
  return std::nullopt;
}

bool claims_nothing(const std::string& word) { return contains(kFillers, word); }

}  // namespace safelight
