// A part of the work, for several processes or machines.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace safelight::app {

struct Shard {
  int index = 1, of = 1;   // 1 <= index <= of
};

// "2/4". Throws Error(invalid_argument).
Shard shard_of(const std::string& text);

// The files of JSON lines that the shards of one piece of work left in `out`, by name: those whose name begins with `prefix`.
std::vector<std::filesystem::path> shard_files(const std::filesystem::path& out, const std::string& prefix);

}  // namespace safelight::app
