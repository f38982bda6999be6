#include "common/base/toml_read.h"

#include "common/base/error.h"

namespace safelight {

toml::table parse_toml(std::string_view text, const std::string& where) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& e) {
    throw Error(ErrorCode::corrupt_file, where + ", line " + std::to_string(e.source().begin.line) + ": " + std::string(e.description()));
  }
}

Json json_of(const toml::node& node, const std::string& where) {
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    for (const auto& [key, value] : *table) out[std::string(key.str())] = json_of(value, where);
    return out;
  }
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& value : *array) out.push_back(json_of(value, where));
    return out;
  }
  if (const auto v = node.as_integer()) return v->get() < 0 ? Json(v->get()) : Json(static_cast<std::uint64_t>(v->get()));
  if (const auto v = node.as_floating_point()) return v->get();
  if (const auto v = node.as_boolean()) return v->get();
  if (const auto v = node.as_string()) return v->get();
  throw Error(ErrorCode::invalid_argument, where + ": write dates as text in quotes");
}

}  // namespace safelight
