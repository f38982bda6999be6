// The JSON type of the house: keys keep their order, so files read the way they were meant.
#pragma once

#include <nlohmann/json.hpp>

namespace safelight {
using Json = nlohmann::ordered_json;
}
