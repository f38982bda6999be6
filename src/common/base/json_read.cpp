#include "common/base/json_read.h"

#include <set>
#include <vector>

#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight {

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys(kMaxJsonDepth + 2);
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxJsonDepth)
      throw Error(ErrorCode::corrupt_file, where + ": nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) keys[level + 1].clear();
    if (event == Json::parse_event_t::key && !keys[level].insert(parsed.get<std::string>()).second)
      throw Error(ErrorCode::corrupt_file, where + ": key '" + parsed.get<std::string>() + "' appears twice");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, where + ": not valid JSON: " + e.what());
  }
}

Json read_json(const std::filesystem::path& file, std::uint64_t limit) {
  return parse_json(read_file(file, limit), "'" + file.string() + "'");
}

}  // namespace safelight
