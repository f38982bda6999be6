// Looks a verdict's findings up in public issue trackers and search engines. Off unless endpoints are given; never needed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/api/verdict.h"
#include "insight/signatures/signature.h"

namespace safelight {

struct LookupRequest {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::int64_t timeout_ms = 5'000;
  std::uint64_t most_bytes = 2 << 20;           // a longer body is an error
};

struct LookupReply {
  int status = 0;                               // 0: no answer, `error` says why
  std::map<std::string, std::string> headers;   // names in small letters
  std::string body;
  std::string error;
};

using LookupHttp = std::function<LookupReply(const LookupRequest&)>;

// Through libcurl: http and https only, no redirects, certificates checked. Thread-safe.
LookupHttp curl_lookup();

struct LookupEndpoint {
  std::string kind;                             // searxng, github
  std::string url;                              // "http://host:8888", "https://api.github.com"; no '/' at the end
  std::string token;                            // github: may be empty; sent over https, or to this machine, alone
};

// "searxng=http://host:8888,github=https://api.github.com". Throws Error(invalid_argument) with what is allowed.
std::vector<LookupEndpoint> lookup_endpoints(const std::string& text, const std::string& github_token);

struct ExternalHit {
  std::string title, url, excerpt;              // plain text on one line: no markup, no control characters
  std::vector<std::string> found_by;            // kinds of endpoint
  double score = 0;                             // 0..1, how much of the findings' words it has and how high it was listed
  std::vector<std::string> words;               // the findings' words in it
  std::string signature;                        // id of the library entry that names this address; may be empty
};

struct ExternalLookup {
  std::string query;
  std::vector<ExternalHit> hits;                // best first, one for each address
  std::vector<std::string> problems;            // one line for each endpoint that did not answer well
};

// Never throws: what goes wrong outside is a line in `problems`. Asks each endpoint once, nothing for a healthy verdict.
ExternalLookup look_up(const Verdict& verdict, const SignatureLibrary& library, const std::vector<LookupEndpoint>& endpoints, const LookupHttp& http,
                       std::size_t limit = 5);

Json to_json(const ExternalLookup& lookup);
std::string lookup_text(const ExternalLookup& lookup);

// --- for external_reply.cpp and its tests ---

struct ExternalRow {
  std::string title, url, excerpt;
};
// The request that asks an endpoint.
LookupRequest lookup_request(const LookupEndpoint& endpoint, const std::string& query);
// What it answered, cleaned. Throws Error(unavailable or corrupt_file) saying why there is nothing.
std::vector<ExternalRow> lookup_rows(const LookupEndpoint& endpoint, const LookupReply& reply);
// Text of the outside as plain text on one line of at most `most` bytes: tags and control characters go, entities are resolved.
std::string plain_line(const std::string& text, std::size_t most);
// Empty for what is no http(s) address, holds a user name or odd characters.
std::string clean_address(const std::string& url);

}  // namespace safelight
