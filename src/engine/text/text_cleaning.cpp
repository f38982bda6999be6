#include "engine/text/text_cleaning.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/text/unicode.h"

namespace safelight {
namespace {

constexpr std::array<std::pair<std::u32string_view, char32_t>, 32> kEntities = {{
    {U"amp", U'&'},     {U"lt", U'<'},      {U"gt", U'>'},      {U"quot", U'"'},    {U"apos", U'\''},   {U"nbsp", 0xA0},
    {U"copy", 0xA9},    {U"reg", 0xAE},     {U"trade", 0x2122}, {U"hellip", 0x2026}, {U"mdash", 0x2014}, {U"ndash", 0x2013},
    {U"lsquo", 0x2018}, {U"rsquo", 0x2019}, {U"ldquo", 0x201C}, {U"rdquo", 0x201D}, {U"euro", 0x20AC},  {U"pound", 0xA3},
    {U"deg", 0xB0},     {U"eacute", 0xE9},  {U"egrave", 0xE8},  {U"agrave", 0xE0},  {U"ccedil", 0xE7},  {U"ouml", 0xF6},
    {U"auml", 0xE4},    {U"uuml", 0xFC},    {U"szlig", 0xDF},   {U"ntilde", 0xF1},  {U"iexcl", 0xA1},   {U"times", 0xD7},
    {U"bull", 0x2022},  {U"middot", 0xB7},
}};

// The character that "&...;" at `i` stands for, and its end; 0 when it is not one that is known.
std::pair<char32_t, std::size_t> entity(std::u32string_view s, std::size_t i) {
  const std::size_t end = s.substr(i, 12).find(U';');
  if (end == std::u32string_view::npos || end < 2) return {0, i};
  std::u32string_view body = s.substr(i + 1, end - 1);
  if (body.front() == U'#') {
    const bool hex = body.size() > 1 && (body[1] | 32) == U'x';
    char32_t value = 0;
    for (const char32_t c : body.substr(hex ? 2 : 1)) {
      const int digit = c >= U'0' && c <= U'9' ? static_cast<int>(c - U'0')
                        : hex && (c | 32) >= U'a' && (c | 32) <= U'f' ? static_cast<int>((c | 32) - U'a') + 10 : -1;
      if (digit < 0 || value > 0x10FFFF) return {0, i};
      value = value * (hex ? 16 : 10) + static_cast<char32_t>(digit);
    }
    const bool valid = value > 0 && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
    return {valid ? value : char32_t{0xFFFD}, i + end + 1};
  }
  for (const auto& [name, c] : kEntities)
    if (body == name) return {c, i + end + 1};
  return {0, i};
}

std::u32string unescape_html(std::u32string_view s) {
  std::u32string out;
  for (std::size_t i = 0; i < s.size();) {
    if (s[i] == U'&') {
      const auto [c, end] = entity(s, i);
      if (c != 0) {
        out += c;
        i = end;
        continue;
      }
    }
    out += s[i++];
  }
  return out;
}

// What Windows-1252 means by the bytes that Latin-1 leaves to control characters.
constexpr std::array<char32_t, 32> kWindows = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
    0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

// One character of the repaired form; empty drops it.
std::u32string repaired(char32_t c) {
  switch (c) {
    case 0x2018: case 0x2019: case 0x201A: case 0x201B: case 0x02BC: return U"'";
    case 0x201C: case 0x201D: case 0x201E: case 0x201F: return U"\"";
    case 0xFB00: return U"ff";
    case 0xFB01: return U"fi";
    case 0xFB02: return U"fl";
    case 0xFB03: return U"ffi";
    case 0xFB04: return U"ffl";
    case 0xFB05: return U"\u017Ft";
    case 0xFB06: return U"st";
    case 0x0132: return U"IJ";
    case 0x0133: return U"ij";
    case 0x0149: return U"\u02BCn";
    case 0x01F1: return U"DZ";
    case 0x01F2: return U"Dz";
    case 0x01F3: return U"dz";
    case 0x01C4: return U"D\u017D";
    case 0x01C5: return U"D\u017E";
    case 0x01C6: return U"d\u017E";
    case 0x01C7: return U"LJ";
    case 0x01C8: return U"Lj";
    case 0x01C9: return U"lj";
    case 0x01CA: return U"NJ";
    case 0x01CB: return U"Nj";
    case 0x01CC: return U"nj";
    case 0x2028: case 0x2029: return U"\n";
    default: break;
  }
  const bool dropped = (c < 0x20 && c != U'\t' && c != U'\n' && c != U'\f' && c != U'\r') || c == 0x7F || c == 0xFEFF ||
                       (c >= 0x206A && c <= 0x206F) || (c >= 0xFFF9 && c <= 0xFFFC);
  return dropped ? std::u32string() : unicode::fold_width(c);
}

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::u32string repair(std::u32string_view text) {
  // Escapes are left alone where there is a tag: then the text is HTML and means them.
  std::u32string plain(text);
  const int passes = text.find(U'<') == std::u32string_view::npos ? 4 : 0;
  for (int pass = 0; pass < passes; ++pass) {  // "&amp;amp;" was escaped twice
    std::u32string next = unescape_html(plain);
    if (next == plain) break;
    plain = std::move(next);
  }
  for (char32_t& c : plain)
    if (c >= 0x80 && c <= 0x9F) c = kWindows[c - 0x80];
  std::u32string out;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] == 0x1B && i + 1 < plain.size() && plain[i + 1] == U'[') {  // a terminal's colour code
      std::size_t end = i + 2;
      while (end < plain.size() && (plain[end] == U';' || (plain[end] >= U'0' && plain[end] <= U'9'))) ++end;
      if (end < plain.size() && (plain[end] == U'm' || plain[end] == U'K')) {
        i = end;
        continue;
      }
    }
    out += repaired(plain[i]);
  }
  return unicode::compose(out);
}

std::u32string basic(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    const bool space = c == U' ' || c == U'\t' || c == U'\n' || c == U'\r' || unicode::is_space_separator(c);
    if (space) out += U' ';
    else if (c == 0 || c == 0xFFFD || unicode::is_control(c)) continue;
    else if (is_cjk(c)) (out += U' ') += c, out += U' ';
    else out += c;
  }
  return unicode::compose(out);
}

std::u32string single_spaced(std::u32string_view text) {
  std::u32string out;
  bool pending = false;
  for (const char32_t c : text) {
    if (unicode::is_space(c)) {
      pending = !out.empty();
      continue;
    }
    if (pending) out += U' ';
    pending = false;
    out += c;
  }
  return out;
}

}  // namespace

std::u32string clean_text(std::string_view utf8, Cleaning cleaning) {
  const std::u32string text = unicode::decode(utf8);
  return unicode::lower(single_spaced(cleaning == Cleaning::repaired ? repair(text) : basic(text)));
}

}  // namespace safelight
