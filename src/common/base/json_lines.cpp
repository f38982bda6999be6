#include "common/base/json_lines.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"

namespace safelight {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what) {
  throw Error(ErrorCode::io, "'" + file.string() + "' " + what + ": " + std::strerror(errno));
}

}  // namespace

std::size_t read_json_lines(const std::filesystem::path& file, const std::function<void(const Json& line, const std::string& where)>& take) {
  const std::string text = read_file(file, kMostBytes);
  std::size_t begin = 0, number = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; begin = end + 1, end = text.find('\n', begin)) {
    const std::string where = "'" + file.string() + "' line " + std::to_string(++number);
    Json line;
    try {
      line = parse_json(std::string_view(text).substr(begin, end - begin), where);
    } catch (const Error& e) {
      throw Error(ErrorCode::corrupt_file, std::string(e.what()) + "; remove the line or the file");
    }
    take(line, where);
  }
  return begin;
}

JsonLines::JsonLines(std::filesystem::path file, const std::string& in_use) : file_(std::move(file)) {
  descriptor_ = ::open(file_.c_str(), O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) refuse(file_, "cannot be opened");
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(descriptor_);
  throw Error(ErrorCode::conflict, in_use);
}

JsonLines::~JsonLines() { ::close(descriptor_); }

void JsonLines::read(const std::function<void(const Json& line, const std::string& where)>& take) {
  const std::size_t whole = read_json_lines(file_, take);
  if (::ftruncate(descriptor_, static_cast<off_t>(whole)) != 0) refuse(file_, "cannot be cut to its last whole line");
}

void JsonLines::append(const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t n = ::write(descriptor_, line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) refuse(file_, "cannot be written; is the disk full?");
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace safelight
