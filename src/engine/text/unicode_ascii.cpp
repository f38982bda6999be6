#include "common/base/error.h"
#include "engine/text/unicode.h"

namespace safelight::unicode {
namespace {

char32_t ascii(char32_t c) {
  if (c > 0x7F)
    throw Error(ErrorCode::unsupported, "this build reads ASCII prompts only; build with ICU (libicu-dev) for others");
  return c;
}

}  // namespace

bool is_letter(char32_t c) { return (ascii(c) | 32) >= 'a' && (c | 32) <= 'z'; }
bool is_number(char32_t c) { return ascii(c) >= '0' && c <= '9'; }
bool is_space(char32_t c) { return ascii(c) == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F); }
bool is_control(char32_t c) { return ascii(c) < 0x20 || c == 0x7F; }
bool is_space_separator(char32_t c) { return ascii(c) == ' '; }

std::u32string lower(std::u32string_view text) {
  std::u32string out(text);
  for (char32_t& c : out)
    if (ascii(c) >= 'A' && c <= 'Z') c += 32;
  return out;
}

std::u32string compose(std::u32string_view text) { return std::u32string(text); }
std::u32string fold_width(char32_t c) { return std::u32string(1, ascii(c)); }

}  // namespace safelight::unicode
