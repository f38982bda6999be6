// The part of a page that says how a picture was asked for: the plan, the rows that were left out, every attempt.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/json.h"

namespace safelight::app {

// As markup. `candidate`: of the facts of a stage that draws, as to_json(Drawn) or the stage's resumption wrote it. What a record lacks is left out.
std::string candidate_markup(const Json& candidate);
// `attempts`: a list of to_json(AttemptRecord); empty: nothing.
std::string attempts_markup(const Json& attempts);

std::string shown_ms(double ms);                  // "840 ms", "12.3 s"
std::string shown_usd(double usd, double possible_usd);
std::string shown_time(std::int64_t unix_ms);     // UTC; "-" for 0

}  // namespace safelight::app
