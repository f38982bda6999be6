#include "service/router/task_profile.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace safelight {
namespace {

constexpr int kShortText = 4;   // letters up to which the task is "text"

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kQuotes = {
    {{"\"", "\""}, {"\u201c", "\u201d"}, {"\u201e", "\u201c"}, {"\u00ab", "\u00bb"}, {"'", "'"}}};

constexpr std::array<std::string_view, 9> kNumbers = {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};

constexpr std::array<std::string_view, 10> kRelations = {"left", "right", "above", "below", "under", "over", "inside", "beside", "behind", "between"};

struct StyleWord {
  std::string_view word, style;
};
constexpr std::array<StyleWord, 14> kStyles = {{{"photo", "photograph"}, {"photograph", "photograph"}, {"photorealistic", "photograph"}, {"painting", "painting"},
                                                {"oil", "painting"}, {"watercolour", "watercolour"}, {"watercolor", "watercolour"}, {"sketch", "drawing"},
                                                {"drawing", "drawing"}, {"pencil", "drawing"}, {"cartoon", "cartoon"}, {"anime", "anime"},
                                                {"pixel", "pixel-art"}, {"3d", "render"}}};

bool letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || (static_cast<unsigned char>(c) & 0x80); }

struct Quote {
  std::size_t begin = 0, end = 0;        // bytes, the quotes included
  std::size_t text = 0, length = 0;      // bytes between them
};

// The quote that opens at `at`, if it does and is closed.
bool quote_at(const std::string& s, std::size_t at, Quote& out) {
  for (const auto& [open, close] : kQuotes) {
    if (s.compare(at, open.size(), open) != 0) continue;
    const bool single = open == "'";
    if (single && at > 0 && letter(s[at - 1])) continue;  // an apostrophe
    for (std::size_t end = s.find(close, at + open.size()); end != std::string::npos; end = s.find(close, end + close.size())) {
      const std::size_t after = end + close.size();
      if (single && after < s.size() && letter(s[after])) continue;
      out = {at, after, at + open.size(), end - at - open.size()};
      if (out.length > 0) return true;
      break;
    }
  }
  return false;
}

std::vector<Quote> quotes_of(const std::string& s) {
  std::vector<Quote> out;
  Quote q;
  for (std::size_t at = 0; at < s.size();) {
    if (quote_at(s, at, q)) out.push_back(q), at = q.end;
    else ++at;
  }
  return out;
}

// Words in lower case, without what stands in quotes.
std::vector<std::string> words_of(const std::string& s, const std::vector<Quote>& quotes) {
  std::string rest = s;
  for (const Quote& q : quotes) std::fill(rest.begin() + static_cast<std::ptrdiff_t>(q.begin), rest.begin() + static_cast<std::ptrdiff_t>(q.end), ' ');
  std::vector<std::string> out(1);
  for (const char c : rest) {
    if (letter(c)) out.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.back().empty()) out.emplace_back();
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

// How many things the word at `i` announces: "three" 3, "a" 1; nothing where it leads to the background or stands at the end.
int announced(const std::vector<std::string>& words, std::size_t i) {
  if (i + 1 >= words.size()) return 0;
  for (std::size_t k = i + 1; k < std::min(i + 4, words.size()); ++k)
    if (words[k] == "background" || words[k] == "backdrop") return 0;
  const std::string& w = words[i];
  if (w == "a" || w == "an" || w == "one") return 1;
  const auto it = std::find(kNumbers.begin(), kNumbers.end(), w);
  if (it != kNumbers.end()) return 2 + static_cast<int>(it - kNumbers.begin());
  const bool digits = w.size() <= 2 && std::all_of(w.begin(), w.end(), [](unsigned char c) { return std::isdigit(c); });
  return digits ? std::stoi(w) : 0;
}

std::string task_of(const TaskProfile& p, bool counted) {
  if (p.letters > 0) return p.letters <= kShortText ? "text" : "text-5-8";
  if (counted) return "count";
  if (p.objects > 1) return p.relation ? "position" : "two";
  return "single";
}

}  // namespace

std::vector<std::string> quoted_texts(const std::string& prompt) {
  std::vector<std::string> out;
  for (const Quote& q : quotes_of(prompt)) out.push_back(prompt.substr(q.text, q.length));
  return out;
}

TaskProfile task_profile(const ImageRequest& request, RouteMode mode) {
  TaskProfile p{.mode = mode, .task = {}, .quoted = quoted_texts(request.prompt), .style = request.style, .width_px = request.width_px, .height_px = request.height_px};
  for (const std::string& text : p.quoted)
    p.letters += static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80 && c != ' '; }));
  const std::vector<std::string> words = words_of(request.prompt, quotes_of(request.prompt));
  bool counted = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const int n = announced(words, i);
    p.objects += n;
    counted = counted || n > 1;
    p.relation = p.relation || std::find(kRelations.begin(), kRelations.end(), words[i]) != kRelations.end();
    const auto style = std::find_if(kStyles.begin(), kStyles.end(), [&](const StyleWord& s) { return s.word == words[i]; });
    if (p.style.empty() && style != kStyles.end()) p.style = style->style;
  }
  p.task = task_of(p, counted);
  return p;
}

}  // namespace safelight
