#include "engine/weights/config_reader.h"

#include <algorithm>

namespace safelight {

ConfigReader::ConfigReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json_.is_object()) throw Error(ErrorCode::corrupt_file, where_ + ": expected a JSON object");
}

const Json* ConfigReader::find(const char* key) const {
  const auto it = json_.find(key);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

bool ConfigReader::has(const char* key) const { return find(key) != nullptr; }

void ConfigReader::fail(const char* key, const std::string& problem) const {
  throw Error(ErrorCode::corrupt_file, where_ + ": key '" + key + "' " + problem);
}

void ConfigReader::operator()(const char* key, int64_t& value) const {
  const Json* j = find(key);
  if (!j) return;
  if (!j->is_number_integer()) fail(key, "must be an integer");
  value = j->get<int64_t>();
}

void ConfigReader::operator()(const char* key, double& value) const {
  const Json* j = find(key);
  if (!j) return;
  if (!j->is_number()) fail(key, "must be a number");
  value = j->get<double>();
}

void ConfigReader::operator()(const char* key, bool& value) const {
  const Json* j = find(key);
  if (!j) return;
  if (!j->is_boolean()) fail(key, "must be true or false");
  value = j->get<bool>();
}

void ConfigReader::operator()(const char* key, std::string& value) const {
  const Json* j = find(key);
  if (!j) return;
  if (!j->is_string()) fail(key, "must be a string");
  value = j->get<std::string>();
}

void ConfigReader::operator()(const char* key, std::vector<std::string>& value) const {
  const Json* j = find(key);
  if (!j) return;
  if (!j->is_array() || !std::all_of(j->begin(), j->end(), [](const Json& e) { return e.is_string(); }))
    fail(key, "must be a list of strings");
  value = j->get<std::vector<std::string>>();
}

void ConfigReader::list(const char* key, std::vector<int64_t>& value, std::size_t count) const {
  const Json* j = find(key);
  if (!j) return;
  if (j->is_number_integer()) {
    value.assign(count, j->get<int64_t>());
    return;
  }
  if (!j->is_array() || !std::all_of(j->begin(), j->end(), [](const Json& e) { return e.is_number_integer(); }))
    fail(key, "must be an integer or a list of integers");
  value = j->get<std::vector<int64_t>>();
  if (value.size() != count) fail(key, "must have " + std::to_string(count) + " entries, one per block");
}

void ConfigReader::list(const char* key, std::vector<bool>& value, std::size_t count) const {
  const Json* j = find(key);
  if (!j) return;
  if (j->is_boolean()) {
    value.assign(count, j->get<bool>());
    return;
  }
  if (!j->is_array() || !std::all_of(j->begin(), j->end(), [](const Json& e) { return e.is_boolean(); }))
    fail(key, "must be true, false, or a list of them");
  value.clear();
  for (const Json& e : *j) value.push_back(e.get<bool>());
  if (value.size() != count) fail(key, "must have " + std::to_string(count) + " entries, one per block");
}

void ConfigReader::positive(const char* key, int64_t value) const {
  if (value < 1 || value > 1'000'000) fail(key, "is " + std::to_string(value) + "; it must lie between 1 and 1000000");
}

void ConfigReader::divides(const char* small, int64_t s, const char* large, int64_t l) const {
  if (s < 1 || l % s != 0)
    fail(small, "is " + std::to_string(s) + ", which does not divide " + large + " = " + std::to_string(l));
}

void ConfigReader::one_of(const char* key, const std::string& value, std::initializer_list<const char*> allowed) const {
  std::string names;
  for (const char* a : allowed) {
    if (value == a) return;
    names += (names.empty() ? "" : ", ") + std::string(a);
  }
  throw Error(ErrorCode::unsupported, where_ + ": key '" + key + "' is '" + value + "'; known values: " + names);
}

void ConfigReader::must_be(const char* key, const Json& only) const {
  const Json* j = find(key);
  if (j && *j != only)
    throw Error(ErrorCode::unsupported,
                where_ + ": key '" + key + "' is " + j->dump() + "; only " + only.dump() + " is supported");
}

std::string ConfigReader::architecture() const {
  const Json* list = find("architectures");
  if (list && list->is_array() && !list->empty() && list->front().is_string()) return list->front().get<std::string>();
  std::string name;
  (*this)("_class_name", name);
  return name;
}

}  // namespace safelight
