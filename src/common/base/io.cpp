#include "common/base/io.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "common/base/error.h"

namespace safelight {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  const int error = errno;
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::not_found : ErrorCode::io;
  throw Error(code, "'" + file.string() + "': " + what + ": " + std::strerror(error));
}

// Opens without waiting for a FIFO's writer, and insists on a regular file.
int open_regular(const std::filesystem::path& file, std::size_t& size) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail(file, "cannot be opened");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' is not a regular file");
  }
  size = static_cast<std::size_t>(info.st_size);
  return fd;
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace

std::string read_file(const std::filesystem::path& file, std::uint64_t limit) {
  std::size_t size = 0;
  const int fd = open_regular(file, size);
  if (size > limit) {
    ::close(fd);
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "' has " + std::to_string(size) +
                                             " bytes; at most " + std::to_string(limit) + " are read here");
  }
  std::string out(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(fd, out.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      ::close(fd);
      fail(file, "cannot be read");
    }
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  ::close(fd);
  out.resize(done);
  return out;
}

void write_file_once(const std::filesystem::path& file, std::string_view content) {
  const int fd = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) fail(file, "cannot be written");
  const bool written = write_all(fd, content);
  if (::close(fd) != 0 || !written) fail(file, "cannot be written");
}

void write_file_atomic(const std::filesystem::path& file, std::string_view content) {
  std::string temporary = file.string() + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) fail(file, "cannot be written");
  ::fchmod(fd, 0644);
  const bool written = write_all(fd, content);
  const bool closed = ::close(fd) == 0;
  if (!written || !closed || ::rename(temporary.c_str(), file.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    errno = error;
    fail(file, "cannot be written");
  }
}

MappedFile::MappedFile(const std::filesystem::path& file) : path_(file) {
  descriptor_ = open_regular(file, size_);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (data == MAP_FAILED) {
    ::close(descriptor_);
    fail(file, "cannot be mapped");
  }
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void MappedFile::require_unchanged() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0 || static_cast<std::size_t>(info.st_size) < size_)
    throw Error(ErrorCode::corrupt_file, "'" + path_.string() + "' was cut while it was in use");
}

}  // namespace safelight
