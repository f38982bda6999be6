// What text was intended, and how far a reading is from it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace safelight {

// The texts between "…", “…”, «…» or 「…」, in order, blanks collapsed, empty ones left out. An unclosed quote is no quote.
std::vector<std::string> quoted_texts(std::string_view prompt);
// Where they stand, quotes included: begin and end in bytes. Empty ones too.
std::vector<std::pair<std::size_t, std::size_t>> quoted_ranges(std::string_view prompt);

// Blanks at both ends removed, runs of blanks made one space.
std::string collapse_blanks(std::string_view text);

// Levenshtein distance over code points, divided by the length of `expected`, case counts. 0 exact; may exceed 1. 1 when `expected` is empty and `read` is not.
double character_error_rate(std::string_view read, std::string_view expected);
// The same over words.
double word_error_rate(std::string_view read, std::string_view expected);
// 1 - distance / length of the longer text, 0..1: 1 for equal texts. Papers call it NED, some of them its complement.
double text_similarity(std::string_view read, std::string_view expected);

}  // namespace safelight
