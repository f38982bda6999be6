// Intermediate results by their content: a file each, named by its SHA-256.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace safelight {

// Thread-safe; several processes may share the folder.
class ObjectStore {
 public:
  explicit ObjectStore(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // Its SHA-256 (hex). On disk when it returns. Throws Error(io).
  std::string put(std::string_view bytes) const;
  // Throws Error(not_found), and Error(corrupt_file) where the bytes are not those of the name.
  std::string get(const std::string& sha256) const;
  bool holds(const std::string& sha256) const;
  std::filesystem::path path(const std::string& sha256) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace safelight
