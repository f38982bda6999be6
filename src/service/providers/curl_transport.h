// The real transport: libcurl, one connection a call, HTTP/1.1.
#pragma once

#include "service/providers/transport.h"

namespace safelight {

class CurlTransport final : public Transport {
 public:
  CurlTransport();
  HttpReply send(const HttpRequest& request) override;
};

}  // namespace safelight
