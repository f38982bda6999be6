// How bytes travel in JSON, and what a picture's first bytes say about it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace safelight {

std::string base64_encoded(std::string_view bytes);
// Strict (RFC 4648, section 4): no spaces, complete padding; empty: it is none.
std::optional<std::string> base64_decoded(std::string_view text);

struct PictureHeader {
  std::string mime;                // image/png, image/jpeg, image/webp
  int width_px = 0, height_px = 0;
};

// Empty: no PNG, JPEG or WebP with a size from 1 to 16384 pixels a side. Looks at the header alone.
std::optional<PictureHeader> picture_header(std::string_view bytes);

// Whether nothing of its end is missing, as far as its parts' lengths and its end mark tell. For bytes with a picture_header().
bool picture_is_whole(std::string_view bytes);

}  // namespace safelight
