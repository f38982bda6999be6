// One row of the catalogue, from the keys that files gave it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/json.h"
#include "common/base/problem.h"
#include "service/providers/catalogue.h"

namespace safelight {

// The tables [models.ID] of a file. Throws Error(corrupt_file) for what is no TOML, Error(invalid_argument) for other tables.
std::map<std::string, Json> read_model_tables(std::string_view toml, const std::string& source);

// Strict: unknown keys, words and impossible values become problems.
ModelRow row_from_keys(const std::string& id, const Json& keys, std::vector<Problem>& problems);

}  // namespace safelight
