#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "common/base/error.h"
#include "engine/text/unicode.h"

namespace safelight::unicode {
namespace {

icu::UnicodeString to_icu(std::u32string_view text) {
  static_assert(sizeof(char32_t) == sizeof(UChar32));
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()), static_cast<int32_t>(text.size()));
}

std::u32string from_icu(const icu::UnicodeString& text) {
  std::u32string out;
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) out.push_back(static_cast<char32_t>(text.char32At(i)));
  return out;
}

bool in(char32_t c, uint32_t mask) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & mask) != 0; }

std::u32string normalized(std::u32string_view text, const icu::Normalizer2* (*form)(UErrorCode&)) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form(status);
  const icu::UnicodeString out = U_SUCCESS(status) ? normalizer->normalize(to_icu(text), status) : icu::UnicodeString();
  if (U_FAILURE(status)) throw Error(ErrorCode::internal, std::string("Unicode normalisation: ") + u_errorName(status));
  return from_icu(out);
}

}  // namespace

bool is_letter(char32_t c) { return in(c, U_GC_L_MASK); }
bool is_number(char32_t c) { return in(c, U_GC_N_MASK); }
bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) || (c >= 0x1C && c <= 0x1F); }
bool is_control(char32_t c) { return in(c, U_GC_C_MASK); }
bool is_space_separator(char32_t c) { return in(c, U_GC_ZS_MASK); }

std::u32string lower(std::u32string_view text) { return from_icu(to_icu(text).toLower(icu::Locale::getRoot())); }
std::u32string compose(std::u32string_view text) { return normalized(text, icu::Normalizer2::getNFCInstance); }
std::u32string fold_width(char32_t c) {
  const bool wide = (c >= 0xFF01 && c <= 0xFFEF) || c == 0x3000;
  return wide ? normalized(std::u32string_view(&c, 1), icu::Normalizer2::getNFKCInstance) : std::u32string(1, c);
}

}  // namespace safelight::unicode
