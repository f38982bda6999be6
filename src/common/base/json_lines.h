// A file of JSON objects, one a line, that grows while work goes on and survives a killed process.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "common/base/fields.h"
#include "common/base/json.h"

namespace safelight {

// Hands over every whole line in order, with the words that name it in errors; a last line that a kill cut off is left out. Returns
// the bytes of the whole lines. Throws Error(not_found, io, corrupt_file).
std::size_t read_json_lines(const std::filesystem::path& file, const std::function<void(const Json& line, const std::string& where)>& take);

// A line as a T (common/base/fields.h). `where`: as read_json_lines names it; `subject`: what a T is. Throws Error(corrupt_file).
template <class T>
T record_of(const Json& line, const std::string& where, const std::string& subject) {
  try {
    return from_json<T>(line, subject);
  } catch (const Error& e) {
    throw Error(ErrorCode::corrupt_file, where + ": " + e.what() + "; remove the line, or start again in another directory");
  }
}

// One process writes at a time. Not for several threads.
class JsonLines {
 public:
  // Makes the file or goes on with it. Throws Error(conflict) with the message `in_use` when another process has it open like this,
  // Error(io).
  JsonLines(std::filesystem::path file, const std::string& in_use);
  ~JsonLines();
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  // read_json_lines of what is there; then a last line that a kill cut off is dropped, so that the next one begins a line.
  void read(const std::function<void(const Json& line, const std::string& where)>& take);
  void append(const Json& line);   // on disk, as far as the system's cache, when it returns; throws Error(io)

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace safelight
