// One declaration of a struct's fields drives writing and strict reading of its JSON. A struct T takes part by a
// function found by argument-dependent lookup:  template <class V> void fields(V& v, T& t) { v("prompt", t.prompt); ... }
#pragma once

#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "common/base/error.h"
#include "common/base/json.h"
#include "common/base/problem.h"

namespace safelight {

template <class T>
Json fields_to_json(const T& value);
template <class T>
void fields_from_json(T& value, const Json& json, const std::string& where, std::vector<Problem>& problems);

namespace detail {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
inline constexpr bool is_plain = std::is_arithmetic_v<T> || std::is_same_v<T, std::string>;

template <class T>
Json write(const T& value) {
  if constexpr (is_plain<T>) {
    return value;
  } else if constexpr (IsOptional<T>::value) {
    return value ? write(*value) : Json(nullptr);
  } else if constexpr (IsVector<T>::value) {
    Json out = Json::array();
    for (const auto& item : value) out.push_back(write(item));
    return out;
  } else {
    return fields_to_json(value);
  }
}

template <class T>
bool fits(const Json& json) {
  if constexpr (std::is_same_v<T, bool>) return json.is_boolean();
  else if constexpr (std::is_same_v<T, std::string>) return json.is_string();
  else if constexpr (std::is_floating_point_v<T>) return json.is_number();
  else if constexpr (std::is_unsigned_v<T>) return json.is_number_unsigned();
  else return json.is_number_integer() && json.get<std::int64_t>() >= std::numeric_limits<T>::min() &&
              json.get<std::int64_t>() <= static_cast<std::int64_t>(std::numeric_limits<T>::max());
}

template <class T>
void read(T& value, const Json& json, const std::string& where, std::vector<Problem>& problems) {
  if constexpr (is_plain<T>) {
    if (fits<T>(json)) value = json.get<T>();
    else problems.push_back({where, "is " + json.dump().substr(0, 40), std::is_same_v<T, std::string> ? "use a string" : "use a number of the right kind"});
  } else if constexpr (IsOptional<T>::value) {
    if (json.is_null()) return value.reset();
    value.emplace();
    read(*value, json, where, problems);
  } else if constexpr (IsVector<T>::value) {
    if (!json.is_array()) return problems.push_back({where, "is not a list", "use [...]"});
    value.clear();
    for (std::size_t i = 0; i < json.size(); ++i) {
      value.emplace_back();
      read(value.back(), json[i], where + "[" + std::to_string(i) + "]", problems);
    }
  } else {
    fields_from_json(value, json, where, problems);
  }
}

struct Writer {
  Json out = Json::object();
  template <class T>
  void operator()(const char* name, const T& value) {
    out[name] = write(value);
  }
};

struct Reader {
  const Json& json;
  const std::string& where;
  std::vector<Problem>& problems;
  std::vector<std::string> known;
  template <class T>
  void operator()(const char* name, T& value) {
    known.emplace_back(name);
    const auto it = json.find(name);
    if (it != json.end()) read(value, *it, where.empty() ? name : where + "." + name, problems);
  }
};

}  // namespace detail

template <class T>
Json fields_to_json(const T& value) {
  detail::Writer writer;
  fields(writer, const_cast<T&>(value));  // a writer only reads
  return writer.out;
}

template <class T>
void fields_from_json(T& value, const Json& json, const std::string& where, std::vector<Problem>& problems) {
  if (!json.is_object()) return problems.push_back({where, "is not an object", "use {...}"});
  detail::Reader reader{json, where, problems, {}};
  fields(reader, value);
  for (const auto& [key, unused] : json.items()) {
    bool found = false;
    std::string names;
    for (const std::string& k : reader.known) {
      found = found || k == key;
      names += (names.empty() ? "" : ", ") + k;
    }
    if (!found) problems.push_back({where.empty() ? key : where + "." + key, "is unknown", "known: " + names});
  }
}

// Throws one Error(invalid_argument) that lists every problem.
template <class T>
T from_json(const Json& json, const std::string& subject) {
  T value;
  std::vector<Problem> problems;
  fields_from_json(value, json, "", problems);
  require_no(problems, subject);
  return value;
}

}  // namespace safelight
