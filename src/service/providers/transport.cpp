#include "service/providers/transport.h"

namespace safelight {

std::string HttpReply::header(const std::string& lower_case_name) const {
  const auto it = headers.find(lower_case_name);
  return it == headers.end() ? "" : it->second;
}

std::string_view name(TransportError error) {
  constexpr std::string_view kNames[] = {"none", "bad_request", "resolve", "connect", "tls", "send", "receive", "timeout", "too_large", "redirect", "forbidden_address", "cancelled"};
  return kNames[static_cast<std::size_t>(error)];
}

}  // namespace safelight
