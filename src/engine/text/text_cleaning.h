// The two ways in which the CLIP tokenizer of the field cleans text before splitting it.
#pragma once

#include <string>
#include <string_view>

namespace safelight {

enum class Cleaning {
  repaired,  // HTML unescaped, quotes uncurled, ligatures and widths folded, control characters dropped, NFC
  basic,     // control characters dropped, CJK characters set apart, NFC
};

// Cleaned, lower-cased, with single spaces between words and none at the ends.
std::u32string clean_text(std::string_view utf8, Cleaning cleaning);

}  // namespace safelight
