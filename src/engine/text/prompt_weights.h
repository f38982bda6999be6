// Emphasis in prompts, as the field writes it: (words:1.3). Only this explicit form means something; other brackets are text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace safelight {

struct WeightedText {
  std::string text;
  double weight = 1;
};

// "a (red:1.3) hat" -> {"a ", 1}, {"red", 1.3}, {" hat", 1}. Forms may be nested; weights multiply. "\(" and "\)" are brackets that
// mean nothing. Weights outside [-10, 10] and unfinished forms are text. Never throws; linear in the text's length.
std::vector<WeightedText> weighted_texts(std::string_view prompt);

}  // namespace safelight
