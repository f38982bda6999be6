#include "service/jobs/objects.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"

namespace safelight {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

void sync(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool done = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!done) throw Error(ErrorCode::io, "'" + path.string() + "' could not be brought to disk: " + std::strerror(error));
}

}  // namespace

std::filesystem::path ObjectStore::path(const std::string& sha256) const { return folder_ / sha256.substr(0, 2) / sha256; }

bool ObjectStore::holds(const std::string& sha256) const { return std::filesystem::is_regular_file(path(sha256)); }

std::string ObjectStore::put(std::string_view bytes) const {
  const std::string sha256 = sha256_hex(bytes);
  const std::filesystem::path file = path(sha256);
  if (holds(sha256) && sha256_file(file) == sha256) return sha256;  // a damaged one is written anew
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  if (failed) throw Error(ErrorCode::io, "'" + file.parent_path().string() + "' cannot be made: " + failed.message());
  write_file_atomic(file, bytes);
  sync(file);
  sync(file.parent_path());
  return sha256;
}

std::string ObjectStore::get(const std::string& sha256) const {
  std::string bytes = read_file(path(sha256), kMostBytes);
  if (sha256_hex(bytes) != sha256) throw Error(ErrorCode::corrupt_file, "'" + path(sha256).string() + "' is damaged: remove it, and the stage that made it runs again");
  return bytes;
}

}  // namespace safelight
