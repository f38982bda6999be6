// HTTP, injected: what the protocols send goes through one small interface. The real one is curl_transport.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "service/providers/secret.h"

namespace safelight {

// A header whose value holds a key.
struct SecretHeader {
  std::string name;                // "Authorization"; empty: none
  std::string prefix;              // "Bearer "
  Secret secret;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;                 // never holds a key
  std::vector<std::pair<std::string, std::string>> headers;
  SecretHeader secret;
  std::string body;
  std::int64_t timeout_ms = 120000;
  std::int64_t connect_timeout_ms = 5000;
  std::uint64_t max_response_bytes = std::uint64_t{256} << 20;
  std::string ca_file;             // PEM; empty: the system's authorities
  bool public_addresses_only = false;  // refuse loopback, private and link-local addresses: for links that a provider hands out
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(std::string_view)> on_body;  // pieces of a 2xx body as they come; may be empty
};

enum class TransportError {
  none,
  bad_request,        // the URL or a header cannot be sent; nothing was
  resolve,            // the host has no address
  connect,            // nobody answers there
  tls,                // no secure connection: certificate, host name, protocol
  send,               // the connection broke while the request was written
  receive,            // the connection broke before the answer was complete
  timeout,
  too_large,          // the answer passed max_response_bytes
  redirect,           // the answer points to another host, or a request that is no GET elsewhere at all
  forbidden_address,  // public_addresses_only
  cancelled,
};

struct HttpReply {
  int status = 0;                  // 0: no answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  TransportError error = TransportError::none;
  std::string message;             // for people; free of secrets
  bool sent = false;               // the last byte of the request left this machine
  std::string header(const std::string& lower_case_name) const;  // empty: there is none
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Does not throw for what the network does. Certificates and host names are verified; only a GET follows redirects, and only to the
  // same scheme, host and port; no proxy is taken from the environment. Thread-safe.
  virtual HttpReply send(const HttpRequest& request) = 0;
};

std::string_view name(TransportError error);

}  // namespace safelight
