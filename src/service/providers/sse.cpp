#include "service/providers/sse.h"

namespace safelight {
namespace {

constexpr std::size_t kMostResidue = 64 * 1024;

}  // namespace

void ServerEvents::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    line_ += piece.substr(0, end);
    if (end == std::string_view::npos) return;
    piece.remove_prefix(end + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    take_line(line_);
    line_.clear();
  }
}

void ServerEvents::finish() {
  if (!line_.empty()) take_line(line_);
  line_.clear();
  dispatch();
}

void ServerEvents::take_line(std::string_view line) {
  if (done_) return;
  if (line.empty()) return dispatch();
  if (line.starts_with(':')) return;
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (value.starts_with("[DONE]")) {
      done_ = true;
      return;
    }
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.name = value;
  } else if (field != "id" && field != "retry" && residue_.size() + line.size() < kMostResidue) {
    residue_ += std::string(line) + '\n';
  }
}

void ServerEvents::dispatch() {
  if (has_data_) take_(event_);
  event_ = {};
  has_data_ = false;
}

}  // namespace safelight
