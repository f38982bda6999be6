// The few questions about Unicode that tokenizers ask. Two implementations: ICU, and one that knows ASCII only, for
// machines that have nothing but libtorch (it refuses other characters with a clear error).
#pragma once

#include <string>
#include <string_view>

namespace safelight::unicode {

// Throws Error(invalid_argument) naming the byte offset of the first invalid sequence.
std::u32string decode(std::string_view utf8);
std::string encode(std::u32string_view text);

bool is_letter(char32_t c);
bool is_number(char32_t c);
bool is_space(char32_t c);        // white space, line and paragraph separators
bool is_control(char32_t c);      // general category C: control, format, surrogate, private use, unassigned
bool is_space_separator(char32_t c);  // general category Zs

std::u32string lower(std::u32string_view text);  // full mapping, with the final sigma
std::u32string compose(std::u32string_view text);  // NFC
std::u32string fold_width(char32_t c);             // half- and fullwidth forms to their ordinary ones

}  // namespace safelight::unicode
