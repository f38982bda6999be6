// JSON from outside: bounded depth, no duplicate keys, errors that name the place.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/json.h"

namespace safelight {

inline constexpr int kMaxJsonDepth = 64;

// Throws Error(corrupt_file) naming `where` for a syntax error, a duplicate key, invalid UTF-8 or nesting beyond the limit.
Json parse_json(std::string_view text, const std::string& where);

// Hands over every member of the object that the text must be, one at a time, and keeps none: for large files of many members,
// for which Json (a list) is slow. The same errors.
using JsonMember = nlohmann::json;
void parse_json_members(std::string_view text, const std::string& where, const std::function<void(const std::string&, const JsonMember&)>& member);

// Reads a file of at most `limit` bytes.
Json read_json(const std::filesystem::path& file, std::uint64_t limit = std::uint64_t{64} << 20);

}  // namespace safelight
