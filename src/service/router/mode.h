// The kinds of work that a caller may ask for, and what each weighs.
#pragma once

#include <span>
#include <string_view>

namespace safelight {

enum class RouteMode { fast, faithful, typography, bulk, cheapest };

// What a plan costs beyond money: loss = cost * USD / cap + time * ms / limit + quality * (1 - share of right pictures), plus a
// penalty where the promise is broken. The three add up to 1.
struct ModeTraits {
  RouteMode mode = RouteMode::faithful;
  std::string_view name;       // stable, used in TOML and JSON
  double cost = 0, time = 0, quality = 0;
};

std::span<const ModeTraits> mode_table();
const ModeTraits& traits(RouteMode mode);
std::string_view name(RouteMode mode);
// Throws Error(invalid_argument) that lists the modes.
RouteMode route_mode(std::string_view name);

}  // namespace safelight
