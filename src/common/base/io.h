// Files: whole reads with a limit, atomic writes, read-only mappings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace safelight {

// Throws Error(not_found, io, or corrupt_file when the file is larger than `limit`). Regular files only.
std::string read_file(const std::filesystem::path& file, std::uint64_t limit = std::uint64_t{64} << 20);

// Writes beside the target and renames, so that readers see the old content or the new, never half. Throws Error(io).
void write_file_atomic(const std::filesystem::path& file, std::string_view content);

// Writes in place, for files that nobody reads before their writer says so elsewhere: a third of the cost for small ones.
void write_file_once(const std::filesystem::path& file, std::string_view content);

// A regular file mapped read-only. Refuses directories, FIFOs and devices with Error(corrupt_file).
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // Throws Error(corrupt_file) if the file has been cut since it was opened: touching the mapping would kill us.
  void require_unchanged() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace safelight
