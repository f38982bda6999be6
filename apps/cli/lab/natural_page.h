// The page of `lab natural`: every case with its picture, what was said, and what cured it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/lab/natural_case.h"

namespace safelight::app {

// Pictures are read from <directory>/pictures and stand in the page itself.
std::string natural_page(const std::string& title, const std::vector<std::string>& table, const std::vector<NaturalCase>& cases, const std::filesystem::path& directory);

}  // namespace safelight::app
