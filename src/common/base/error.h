// The one error type of the house. Thrown when an operation ends; ordinary outcomes are Result<T>.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace safelight {

enum class ErrorCode {
  invalid_argument,  // a value the caller gave is outside its range, or of an unknown name
  not_found,         // a file, model, run or component is not there
  corrupt_file,      // a file breaks the rules of its format
  unsupported,       // well formed, but this build or model cannot do it
  conflict,          // two settings, or a setting and a model, contradict each other
  non_finite,        // a NaN or infinity where none may be
  cancelled,         // the caller asked to stop
  out_of_memory,     // the request needs more memory than there is
  io,                // the operating system refused a read or write
  unavailable,       // a service or device is not reachable now
  internal,          // our own bug
};

// "invalid_argument" for ErrorCode::invalid_argument; stable, used in JSON.
std::string_view name(ErrorCode code);

// what() says what is wrong, where, and what to do about it. Immutable, safe to copy between threads.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace safelight
