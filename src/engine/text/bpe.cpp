#include "engine/text/bpe.h"

#include <queue>
#include <tuple>

#include "engine/text/unicode.h"

namespace safelight {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

struct Merge {  // the pair at `left`, valid only while both sides still have these lengths
  std::size_t rank, left, left_size, right_size;
  bool operator>(const Merge& o) const { return std::tie(rank, left) > std::tie(o.rank, o.left); }
};

}  // namespace

const std::vector<std::string>& byte_symbols() {
  static const std::vector<std::string> symbols = [] {
    std::vector<std::string> out(256);
    char32_t next = 256;
    for (char32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      const char32_t c = printable ? b : next++;
      out[b] = unicode::encode(std::u32string_view(&c, 1));
    }
    return out;
  }();
  return symbols;
}

std::vector<std::string> word_symbols(const std::string& word) {
  std::vector<std::string> out;
  for (const char c : word) out.push_back(byte_symbols()[static_cast<unsigned char>(c)]);
  if (!out.empty()) out.back() += "</w>";
  return out;
}

std::vector<std::string> merge_symbols(std::vector<std::string> s,
                                       const std::unordered_map<std::string, std::size_t>& ranks) {
  std::vector<std::size_t> next(s.size()), previous(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    next[i] = i + 1 < s.size() ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
  }
  std::priority_queue<Merge, std::vector<Merge>, std::greater<>> queue;
  const auto offer = [&](std::size_t left) {
    if (left == kNone || next[left] == kNone) return;
    const auto it = ranks.find(s[left] + " " + s[next[left]]);
    if (it != ranks.end()) queue.push({it->second, left, s[left].size(), s[next[left]].size()});
  };
  for (std::size_t i = 0; i < s.size(); ++i) offer(i);
  while (!queue.empty()) {
    const Merge m = queue.top();
    queue.pop();
    const std::size_t right = s[m.left].empty() ? kNone : next[m.left];
    if (right == kNone || s[m.left].size() != m.left_size || s[right].size() != m.right_size) continue;
    s[m.left] += s[right];
    s[right].clear();
    next[m.left] = next[right];
    if (next[right] != kNone) previous[next[right]] = m.left;
    offer(m.left);
    offer(previous[m.left]);
  }
  std::vector<std::string> out;
  for (std::string& symbol : s)
    if (!symbol.empty()) out.push_back(std::move(symbol));
  return out;
}

}  // namespace safelight
