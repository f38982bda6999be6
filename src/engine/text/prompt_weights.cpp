#include "engine/text/prompt_weights.h"

#include <charconv>
#include <cmath>
#include <optional>

namespace safelight {
namespace {

constexpr double kLargestWeight = 10;

// "1.3)" -> 1.3 and the number of bytes up to and with the bracket.
struct Ending {
  double weight = 1;
  std::size_t size = 0;
};

std::optional<Ending> ending_at(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && text[i] == ' ') ++i;
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data() + i, text.data() + text.size(), weight, std::chars_format::fixed);
  if (error != std::errc() || !(std::abs(weight) <= kLargestWeight)) return std::nullopt;
  i = static_cast<std::size_t>(end - text.data());
  while (i < text.size() && text[i] == ' ') ++i;
  if (i >= text.size() || text[i] != ')') return std::nullopt;
  return Ending{weight, i + 1};
}

// For every opening bracket its weight where a form ends with one, by one pass with a stack.
std::vector<std::optional<Ending>> endings(std::string_view text, std::vector<std::size_t>& closes) {
  std::vector<std::optional<Ending>> out(text.size());
  std::vector<std::size_t> open;
  closes.assign(text.size(), std::string_view::npos);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    } else if (text[i] == '(') {
      open.push_back(i);
    } else if (text[i] == ')' && !open.empty()) {
      open.pop_back();
    } else if (text[i] == ':' && !open.empty()) {
      const auto ending = ending_at(text.substr(i + 1));
      if (!ending) continue;
      out[open.back()] = ending;
      closes[i] = i + 1 + ending->size;
      open.pop_back();
      i += ending->size;
    }
  }
  return out;
}

}  // namespace

std::vector<WeightedText> weighted_texts(std::string_view prompt) {
  std::vector<std::size_t> closes;
  const auto forms = endings(prompt, closes);
  std::vector<WeightedText> out;
  std::vector<double> weights = {1};
  const auto add = [&](char c) {
    if (out.empty() || out.back().weight != weights.back()) out.push_back({"", weights.back()});
    out.back().text += c;
  };
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] == '\\' && i + 1 < prompt.size() && (prompt[i + 1] == '(' || prompt[i + 1] == ')')) {
      add(prompt[++i]);
    } else if (prompt[i] == '(' && forms[i]) {
      weights.push_back(weights.back() * forms[i]->weight);
    } else if (closes[i] != std::string_view::npos) {
      weights.pop_back();
      i = closes[i] - 1;
    } else {
      add(prompt[i]);
    }
  }
  return out;
}

}  // namespace safelight
