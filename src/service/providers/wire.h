// What the protocols share: how an HTTP exchange that gave no picture becomes a failure, and how answers from outside are read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/json.h"
#include "service/providers/provider.h"

namespace safelight {

// One line of valid UTF-8 without control characters, at most `most_bytes`.
std::string clean_text(std::string_view text, std::size_t most_bytes = 600);

// The request of a call: address, key, time that is left, certificate authority, cancel.
HttpRequest http_request(const ProviderCall& call, const std::string& method, const std::string& path);
HttpRequest json_request(const ProviderCall& call, const std::string& path, const Json& body);

// The answer did not come whole: by how far the call got. Empty: it came.
std::optional<ProviderFailure> transport_failure(const HttpReply& reply, const ProviderCall& call);

// A failure with the parts that every protocol fills in the same way: status, the hint of Retry-After, acceptance by class.
ProviderFailure reply_failure(FailureClass failure, const HttpReply& reply, const ProviderCall& call, const std::string& message);

// By HTTP status, for what a protocol's own words did not decide. vendor_spoke: the body is an error in the vendor's shape. Without one, a
// server error comes from something between; 502 and 503 without the vendor's request id mean that it passed nothing on, all else may
// have been accepted.
FailureClass class_of_status(int status, bool vendor_spoke, bool has_request_id);

// The body as JSON; empty: it is none.
std::optional<Json> body_json(const HttpReply& reply);

// Readers of values that may be missing or of another type.
std::string text_at(const Json& object, const char* key);
std::int64_t number_at(const Json& object, const char* key);
const Json& object_at(const Json& object, const char* key);  // an empty object where there is none
const Json& list_at(const Json& object, const char* key);    // an empty list where there is none

// A picture by a link that the answer holds, without the key, from public addresses or the row's own host. The work is paid for, so a
// failure here is never repeated by another call.
std::optional<ProviderFailure> download(const ProviderCall& call, const std::string& url, std::string& bytes);

}  // namespace safelight
