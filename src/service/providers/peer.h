// What the peers with a queue share: small JSON requests and waiting for a job.
#pragma once

#include <functional>

#include "common/base/json.h"
#include "service/providers/provider.h"

namespace safelight {

// GET, or POST with a body. The key, where the row has one, goes as a bearer token.
HttpReply ask_peer(const ProviderCall& call, const std::string& path, const Json* body = nullptr);
// POST with at most a second, whatever the call's own cancel and deadline say: to take back what nobody waits for any more.
void tell_peer(const ProviderCall& call, const std::string& path, const Json& body);

// Calls `look` until it says true: at first every 50 ms, then ever less often, at most once a second. Ends with `cancelled`, with `deadline`
// when the request's time is over, or with `ambiguous` when the row's is.
std::optional<ProviderFailure> wait_for_peer(const ProviderCall& call, const std::function<bool()>& look);

// Counts answers that did not come: a peer may restart, but not for ever.
class PeerPatience {
 public:
  // False: the peer has been silent three times in a row.
  bool still(const HttpReply& reply) { return (silent_ = reply.error == TransportError::none ? 0 : silent_ + 1) < 3; }

 private:
  int silent_ = 0;
};

}  // namespace safelight
