#include "common/base/json_read.h"

#include <set>
#include <tuple>
#include <vector>

#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight {

namespace {

// Json looks for a key among all before it: the sum of these lookups is bounded, at about 20,000 keys in one object.
constexpr std::size_t kMostLookups = 200'000'000;
constexpr std::size_t kLargestMember = 1 << 20;  // values within one member that is handed over

// Refuses deep nesting, keys that appear twice and, where objects are lists, too many keys.
class Guard {
 public:
  explicit Guard(const std::string& where, bool list) : where_(where), list_(list), keys_(kMaxJsonDepth + 2) {}

  template <class J>
  void check(int depth, typename J::parse_event_t event, const J& parsed) {
    using Event = typename J::parse_event_t;
    if (depth > kMaxJsonDepth) throw Error(ErrorCode::corrupt_file, where_ + ": nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    const auto level = static_cast<std::size_t>(depth);
    if (event == Event::object_start) keys_[level + 1].clear();
    if (event != Event::key) return;
    if (!keys_[level].insert(parsed.template get<std::string>()).second)
      throw Error(ErrorCode::corrupt_file, where_ + ": key '" + parsed.template get<std::string>().substr(0, 200) + "' appears twice");
    if (list_ && (lookups_ += keys_[level].size()) > kMostLookups) throw Error(ErrorCode::corrupt_file, where_ + ": has too many keys in one object");
  }

 private:
  const std::string& where_;
  bool list_;
  std::size_t lookups_ = 0;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  Guard guard(where, true);
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    guard.check<Json>(depth, event, parsed);
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, where + ": not valid JSON: " + e.what());
  }
}

void parse_json_members(std::string_view text, const std::string& where, const std::function<void(const std::string&, const JsonMember&)>& member) {
  Guard guard(where, false);
  std::string key;
  std::size_t values = 0;
  const auto hand_over = [&](int depth, JsonMember::parse_event_t event, JsonMember& parsed) {
    using Event = JsonMember::parse_event_t;
    guard.check<JsonMember>(depth, event, parsed);
    if (depth == 0 && (event == Event::array_start || event == Event::value)) throw Error(ErrorCode::corrupt_file, where + ": expected an object");
    if (++values > kLargestMember) throw Error(ErrorCode::corrupt_file, where + ": member '" + key.substr(0, 200) + "' holds more than " + std::to_string(kLargestMember) + " values");
    if (depth != 1) return true;
    if (event == Event::key) key = parsed.get<std::string>();
    if (event != Event::value && event != Event::object_end && event != Event::array_end) return true;
    member(key, parsed);
    values = 0;
    return false;
  };
  try {
    std::ignore = JsonMember::parse(text.begin(), text.end(), hand_over);
  } catch (const JsonMember::exception& e) {
    throw Error(ErrorCode::corrupt_file, where + ": not valid JSON: " + e.what());
  }
}

Json read_json(const std::filesystem::path& file, std::uint64_t limit) {
  return parse_json(read_file(file, limit), "'" + file.string() + "'");
}

}  // namespace safelight
