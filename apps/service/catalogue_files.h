// The catalogue and the keys, as flags and environment give them.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "service/providers/catalogue.h"
#include "service/providers/secret.h"
#include "service/router/router.h"

namespace safelight::app {

void add_catalogue_flag(CLI::App& command, std::vector<std::string>& files);  // --catalogue FILE, several times

// The shipped rows, under those of SAFELIGHT_CATALOGUE (files, separated by ':'), under those of `files`.
Catalogue open_catalogue(const std::vector<std::string>& files);

// Keys stand in the environment under the names that the catalogue gives.
CredentialSource keys_from_environment();

// What `lab eval` measured of local models, from the board.json beside their files (SAFELIGHT_MODELS, then the shipped ones). A board that cannot
// be read is told as a warning and left out: a plan is possible without it.
void take_score_boards(Router& router, const Catalogue& catalogue, std::vector<std::string>& warnings);

}  // namespace safelight::app
