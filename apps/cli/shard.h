// A part of the work, for several processes or machines.
#pragma once

#include <string>

namespace safelight::app {

struct Shard {
  int index = 1, of = 1;   // 1 <= index <= of
};

// "2/4". Throws Error(invalid_argument).
Shard shard_of(const std::string& text);

}  // namespace safelight::app
