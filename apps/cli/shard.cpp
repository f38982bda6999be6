#include "apps/cli/shard.h"

#include <cstdio>

#include "common/base/error.h"

namespace safelight::app {

Shard shard_of(const std::string& text) {
  Shard s;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d/%d%c", &s.index, &s.of, &rest) != 2 || s.of < 1 || s.index < 1 || s.index > s.of)
    throw Error(ErrorCode::invalid_argument, "--shard '" + text + "': expected i/n with 1 <= i <= n, for example 2/4");
  return s;
}

}  // namespace safelight::app
