// The library of known failures as the commands use it.
#pragma once

#include <string>
#include <vector>

#include "common/api/verdict.h"
#include "insight/signatures/match.h"

namespace safelight::app {

// The built-in entries and the user's: of `directory`, or of SAFELIGHT_SIGNATURES where it is empty. Files that cannot be used are
// named on standard error. Throws Error(not_found) when the directory is not there.
SignatureLibrary open_signatures(const std::string& directory);

// Matches the verdict with the library and writes the ids into it.
std::vector<SignatureMatch> add_signatures(const SignatureLibrary& library, Verdict& verdict);

Json matches_json(const std::vector<SignatureMatch>& matches);

// `list signatures`: all of them, or those that a search finds, best first. Prints.
int list_signatures(const SignatureLibrary& library, const std::string& search, bool json);

}  // namespace safelight::app
