// What the cases of `lab natural` come to.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "apps/cli/lab/natural_case.h"

namespace safelight::app {

// Of every shard that wrote into the directory. Throws Error(corrupt_file).
std::vector<NaturalCase> stored_cases(const std::filesystem::path& out);

// Shares with the 95 % Wilson interval: how often the verdict names a subsystem that cures, among the failures that some single change cures, as a
// whole and by task; what simple answers would score; what each kind of change cures, a sham of its size cures, and it breaks.
Json natural_score(const std::vector<NaturalCase>& cases);
std::vector<std::string> natural_text(const Json& score);

}  // namespace safelight::app
