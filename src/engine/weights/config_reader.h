// Reads the values of a component's config.json with errors that name file, key and remedy.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/json.h"

namespace safelight {

class ConfigReader {
 public:
  // `json` must outlive the reader. Throws Error(corrupt_file) unless it is an object.
  ConfigReader(const Json& json, std::string where);

  // Leaves `value` as it is when the key is absent or null. Throws Error(corrupt_file) on a wrong type.
  void operator()(const char* key, int64_t& value) const;
  void operator()(const char* key, double& value) const;
  void operator()(const char* key, bool& value) const;
  void operator()(const char* key, std::string& value) const;
  void operator()(const char* key, std::vector<std::string>& value) const;
  // A list, or one number that is repeated `count` times.
  void list(const char* key, std::vector<int64_t>& value, std::size_t count) const;
  void list(const char* key, std::vector<bool>& value, std::size_t count) const;
  bool has(const char* key) const;

  void positive(const char* key, int64_t value) const;                 // 1 .. 10^6
  void divides(const char* small, int64_t s, const char* large, int64_t l) const;
  void one_of(const char* key, const std::string& value, std::initializer_list<const char*> allowed) const;
  // Throws Error(unsupported) if the key is present with another value than `only`.
  void must_be(const char* key, const Json& only) const;
  std::string architecture() const;  // `architectures[0]`, or `_class_name`, or ""
  [[noreturn]] void fail(const char* key, const std::string& problem) const;

 private:
  const Json* find(const char* key) const;
  const Json& json_;
  std::string where_;
};

}  // namespace safelight
