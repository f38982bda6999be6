#include "service/providers/secret.h"

#include <algorithm>

namespace safelight {
namespace {

constexpr std::size_t kShortest = 8;  // leading characters of a key that already give too much away
constexpr std::string_view kMark = "[redacted]";

std::string base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int held = 0;
  for (const unsigned char c : text) {
    bits = bits << 8 | c;
    for (held += 8; held >= 6; held -= 6) out += kAlphabet[bits >> (held - 6) & 63];
  }
  return out;  // the incomplete last sextet depends on what follows the key, so it is left out
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "%2F" as '/'; -1: no such escape begins here.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%' || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0) return -1;
  return hex_digit(text[1]) * 16 + hex_digit(text[2]);
}

// How many bytes at the start of `text` are leading characters of `key`, each plain or percent-encoded; 0: fewer than give anything away.
std::size_t leading_bytes_of(std::string_view key, std::string_view text) {
  std::size_t at = 0, known = 0;
  while (known < key.size() && at < text.size()) {
    if (escaped_byte(text.substr(at)) == static_cast<unsigned char>(key[known])) at += 3;
    else if (text[at] == key[known]) ++at;
    else break;
    ++known;
  }
  return known >= std::min(kShortest, key.size()) ? at : 0;
}

}  // namespace

std::string redact(std::string_view text, const Secret& secret) {
  if (secret.empty()) return std::string(text);
  const std::string& key = secret.reveal();
  const std::string encoded = base64(key);
  std::string out;
  while (!text.empty()) {
    const std::size_t plain = leading_bytes_of(key, text), in_base64 = encoded.empty() ? 0 : leading_bytes_of(encoded, text);
    const std::size_t known = std::max(plain, in_base64);
    if (known) out += kMark;
    else out += text.front();
    text.remove_prefix(std::max<std::size_t>(known, 1));
  }
  return out;
}

}  // namespace safelight
