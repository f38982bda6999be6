// TOML from outside, as JSON.
#pragma once

#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "common/base/json.h"

namespace safelight {

// Throws Error(corrupt_file) naming `where` and the line.
toml::table parse_toml(std::string_view text, const std::string& where);

// Numbers that are not negative become unsigned, as parse_json makes them. Throws Error(invalid_argument) for dates.
Json json_of(const toml::node& node, const std::string& where);

}  // namespace safelight
