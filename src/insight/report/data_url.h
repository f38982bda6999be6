// Pictures as part of a page.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/json.h"

namespace safelight {

// A PNG file as a data URL; null when it is not there. Throws Error(io, corrupt_file).
Json picture_url(const std::filesystem::path& file);

// The same, brought to at most `longest_px` on its longer side where it is larger.
Json thumbnail_url(const std::filesystem::path& file, int longest_px);

std::string base64(std::string_view bytes);

}  // namespace safelight
