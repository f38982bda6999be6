// What a router knows again after a restart, from the attempts that a ledger kept.
#pragma once

#include <vector>

#include "service/router/router.h"

namespace safelight {

// The job of a request under an SLO begins with this, so that its spending is found again.
std::string job_prefix(const std::string& slo);

// Attempts, oldest first: latencies and answers of the last day, health of the last hour, and the spending of `slo`. `now` has to count on
// (steady_ms may be unix_ms). Keys that were refused or used up are not remembered: they may have been changed or topped up since, and asking
// again costs nothing.
void remember(Router& router, const Catalogue& catalogue, const std::string& slo, const std::vector<AttemptRecord>& attempts, const Moment& now);

}  // namespace safelight
