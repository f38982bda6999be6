#include "service/providers/peer.h"

#include <algorithm>

#include "service/providers/wire.h"

namespace safelight {

namespace {

HttpRequest peer_request(const ProviderCall& call, const std::string& path, const Json* body) {
  HttpRequest request = body ? json_request(call, path, *body) : http_request(call, "GET", path);
  if (!call.credential.empty()) request.secret = {"Authorization", "Bearer ", call.credential};
  return request;
}

}  // namespace

HttpReply ask_peer(const ProviderCall& call, const std::string& path, const Json* body) { return call.transport.send(peer_request(call, path, body)); }

void tell_peer(const ProviderCall& call, const std::string& path, const Json& body) {
  HttpRequest request = peer_request(call, path, &body);
  request.cancel = nullptr, request.timeout_ms = 1000, request.connect_timeout_ms = 1000;
  call.transport.send(request);
}

std::optional<ProviderFailure> wait_for_peer(const ProviderCall& call, const std::function<bool()>& look) {
  const std::int64_t end_ms = call.clock.steady_ms() + call.row.timeout_ms;
  for (std::int64_t wait_ms = 50;; wait_ms = std::min<std::int64_t>(1000, wait_ms * 3 / 2)) {
    if (call.cancel && *call.cancel) return ProviderFailure{.failure = FailureClass::cancelled, .message = "cancelled while the peer worked", .acceptance = Acceptance::unknown};
    const std::int64_t now_ms = call.clock.steady_ms();
    if (call.deadline_ms > 0 && now_ms >= call.deadline_ms)
      return ProviderFailure{.failure = FailureClass::deadline, .message = "the request's time was over before the peer had finished", .acceptance = Acceptance::unknown};
    if (now_ms >= end_ms)
      return ProviderFailure{.failure = FailureClass::ambiguous, .message = "model '" + call.row.id + "' had not finished after " + std::to_string(call.row.timeout_ms) + " ms", .acceptance = Acceptance::unknown};
    if (look()) return {};
    call.clock.sleep_ms(wait_ms, call.cancel);
  }
}

}  // namespace safelight
