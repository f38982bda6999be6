#include "service/router/mode.h"

#include <array>
#include <string>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr std::array<ModeTraits, 5> kModes = {{{RouteMode::fast, "fast", 0.1, 0.7, 0.2},
                                               {RouteMode::faithful, "faithful", 0.1, 0.2, 0.7},
                                               {RouteMode::typography, "typography", 0.1, 0.1, 0.8},
                                               {RouteMode::bulk, "bulk", 0.5, 0.1, 0.4},
                                               {RouteMode::cheapest, "cheapest", 0.8, 0.1, 0.1}}};

}  // namespace

std::span<const ModeTraits> mode_table() { return kModes; }

const ModeTraits& traits(RouteMode mode) { return kModes[static_cast<std::size_t>(mode)]; }

std::string_view name(RouteMode mode) { return traits(mode).name; }

RouteMode route_mode(std::string_view name) {
  std::string known;
  for (const ModeTraits& t : kModes) {
    if (t.name == name) return t.mode;
    known += (known.empty() ? "" : ", ") + std::string(t.name);
  }
  throw Error(ErrorCode::invalid_argument, "mode '" + std::string(name.substr(0, 40)) + "' is unknown; known modes: " + known);
}

}  // namespace safelight
