// What Google's generateContent and predict share: addresses, keys, errors.
#pragma once

#include "common/base/json.h"
#include "service/providers/provider.h"

namespace safelight {

// POST to `method` ("generateContent") of the row's model. Dialect gemini: the key in x-goog-api-key; vertex: base_url ends with
// /v1/projects/PROJECT/locations/PLACE and the key is an OAuth token.
HttpRequest google_request(const ProviderCall& call, const std::string& method, const Json& body);
bool is_vertex(const ModelRow& row);

// The seed as the wire takes it, 31 bits; a warning where that is not what was asked for.
std::optional<std::uint64_t> google_seed(const ImageRequest& request, std::vector<std::string>& warnings);

// An answer that is not HTTP 200, also one wrapped in a list of one.
ProviderFailure google_failure(const HttpReply& reply, const ProviderCall& call);

}  // namespace safelight
