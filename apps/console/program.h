// What every program of ours does with its arguments: parse them, run the one command that was named, turn errors into an exit status.
#pragma once

#include <vector>

#include "apps/console/console.h"

namespace safelight::app {

// 0: done, 1: failed, 2: wrong usage. With --json an error is one object on standard output too.
int run_program(CLI::App& parser, int argc, char** argv, const std::vector<Command>& commands, const Common& common);

}  // namespace safelight::app
