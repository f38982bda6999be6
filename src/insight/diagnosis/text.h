#pragma once

#include <string>

#include "common/api/verdict.h"

namespace safelight {

// A verdict for the terminal, several lines.
std::string verdict_text(const Verdict& verdict);

}  // namespace safelight
