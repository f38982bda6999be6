#include "service/providers/encoding.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace safelight {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int kMostSide_px = 16384;

std::array<int, 256> digit_table() {
  std::array<int, 256> table;
  table.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int>(i);
  return table;
}

int byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }
int big16(std::string_view bytes, std::size_t at) { return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1); }
int little24(std::string_view bytes, std::size_t at) { return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2) << 16; }

PictureHeader png_header(std::string_view b) {
  const auto side = [&](std::size_t at) { return big16(b, at) ? kMostSide_px + 1 : big16(b, at + 2); };  // beyond 65535: too large
  return {"image/png", side(16), side(20)};
}

// The frame header (SOF0 to SOF15 without DHT, JPG, DAC) behind any number of other segments.
PictureHeader jpeg_header(std::string_view b) {
  for (std::size_t at = 2; at + 9 < b.size() && byte_at(b, at) == 0xFF;) {
    const int marker = byte_at(b, at + 1);
    if (marker == 0xFF) {
      ++at;  // fill byte
      continue;
    }
    if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC) return {"image/jpeg", big16(b, at + 7), big16(b, at + 5)};
    at += 2 + static_cast<std::size_t>(big16(b, at + 2));
  }
  return {};
}

PictureHeader webp_header(std::string_view b) {
  const std::string_view kind = b.substr(12, 4);
  if (kind == "VP8X") return {"image/webp", little24(b, 24) + 1, little24(b, 27) + 1};
  if (kind == "VP8 ") return {"image/webp", (byte_at(b, 26) | byte_at(b, 27) << 8) & 0x3FFF, (byte_at(b, 28) | byte_at(b, 29) << 8) & 0x3FFF};
  if (kind != "VP8L") return {};
  const int low = little24(b, 21), high = byte_at(b, 24);  // 14 bits each, less one
  return {"image/webp", (low & 0x3FFF) + 1, ((low >> 14 | high << 10) & 0x3FFF) + 1};
}

bool png_is_whole(std::string_view b) {
  for (std::size_t at = 8; at + 12 <= b.size();) {
    const std::size_t length = static_cast<std::size_t>(big16(b, at)) << 16 | static_cast<std::size_t>(big16(b, at + 2));
    if (length + 12 > b.size() - at) return false;
    if (b.substr(at + 4, 4) == "IEND") return true;
    at += length + 12;
  }
  return false;
}

}  // namespace

std::string base64_encoded(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t held = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < held ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= held ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decoded(std::string_view text) {
  static const std::array<int, 256> kDigits = digit_table();
  if (text.size() % 4) return {};
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const int digit = kDigits[static_cast<unsigned char>(c)];
    if (digit < 0) return {};
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if ((held += 6) >= 8) out += static_cast<char>(bits >> (held -= 8) & 255);
  }
  return out;
}

std::optional<PictureHeader> picture_header(std::string_view bytes) {
  PictureHeader header;
  if (bytes.size() >= 33 && bytes.starts_with("\x89PNG\r\n\x1a\n") && bytes.substr(12, 4) == "IHDR") header = png_header(bytes);
  else if (bytes.size() >= 12 && bytes.starts_with("\xFF\xD8\xFF")) header = jpeg_header(bytes);
  else if (bytes.size() >= 30 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") header = webp_header(bytes);
  const auto possible = [](int side) { return side >= 1 && side <= kMostSide_px; };
  if (!possible(header.width_px) || !possible(header.height_px)) return {};
  return header;
}

bool picture_is_whole(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG")) return png_is_whole(bytes);
  if (bytes.starts_with("RIFF")) {
    const std::uint64_t size = static_cast<std::uint64_t>(little24(bytes, 4)) | static_cast<std::uint64_t>(byte_at(bytes, 7)) << 24;
    return size + 8 <= bytes.size();
  }
  return bytes.rfind("\xFF\xD9") != std::string_view::npos;
}

}  // namespace safelight
