// Reading of gzip files, through zlib.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace safelight {

// Throws Error(not_found, corrupt_file; also when more than `limit` bytes come out).
std::string read_gzip(const std::filesystem::path& file, std::uint64_t limit = std::uint64_t{64} << 20);

}  // namespace safelight
