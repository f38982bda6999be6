#include "apps/cli/shard.h"

#include <algorithm>
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

std::vector<std::filesystem::path> shard_files(const std::filesystem::path& out, const std::string& prefix) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(out))
    if (entry.path().extension() == ".jsonl" && entry.path().filename().string().starts_with(prefix)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace safelight::app
