// Server-sent events, read as they come.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace safelight {

struct ServerEvent {
  std::string name;                // empty: none was given
  std::string data;                // lines joined by \n
};

class ServerEvents {
 public:
  explicit ServerEvents(std::function<void(const ServerEvent&)> take) : take_(std::move(take)) {}
  // Pieces of any size; lines end with LF or CRLF; comments are left out; a data line "[DONE]" ends the stream.
  void feed(std::string_view piece);
  // After the last piece: hands over an event without its empty line. Not for an answer that broke off.
  void finish();
  // Lines that are no event, as they stood: some vendors end a stream with a bare error object.
  const std::string& residue() const { return residue_; }

 private:
  void take_line(std::string_view line);
  void dispatch();
  std::function<void(const ServerEvent&)> take_;
  std::string line_, residue_;
  ServerEvent event_;
  bool has_data_ = false, done_ = false;
};

}  // namespace safelight
