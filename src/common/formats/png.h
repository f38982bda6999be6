// PNG through libspng: what runs write, and what they read back.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "common/api/image.h"

namespace safelight {

struct PngText {
  std::map<std::string, std::string> entries;  // keyword -> UTF-8
};

// Bytes that depend on image and text alone. `level`: zlib compression 0..9.
std::string encode_png(const Image& image, const PngText& text, int level = 6);

// At most `max_pixels`. Throws Error(corrupt_file) naming `where`. RGB or gray come out as they are, others as RGB.
Image decode_png(std::string_view bytes, const std::string& where, PngText* text = nullptr,
                 std::uint64_t max_pixels = std::uint64_t{1} << 26);

}  // namespace safelight
