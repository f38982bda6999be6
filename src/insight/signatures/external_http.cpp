// LookupHttp through libcurl.
#include <curl/curl.h>

#include <memory>
#include <mutex>

#include "insight/signatures/external.h"

namespace safelight {
namespace {

struct Sink {
  LookupReply& reply;
  std::uint64_t most_bytes;
  bool too_large = false;
};

constexpr std::size_t kMostHeaders = 200, kLongestHeader = 4'000;

std::size_t take_body(char* data, std::size_t, std::size_t size, void* to) {
  auto& sink = *static_cast<Sink*>(to);
  if (sink.reply.body.size() + size > sink.most_bytes) {
    sink.too_large = true;
    return 0;  // ends the transfer
  }
  sink.reply.body.append(data, size);
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* to) {
  auto& headers = static_cast<Sink*>(to)->reply.headers;
  const std::string line(data, size);
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos || headers.size() >= kMostHeaders || size > kLongestHeader) return size;
  std::string name = line.substr(0, colon);
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const std::size_t first = line.find_first_not_of(" \t", colon + 1), last = line.find_last_not_of(" \t\r\n");
  headers[name] = first == std::string::npos || last < first ? "" : line.substr(first, last - first + 1);
  return size;
}

LookupReply send(const LookupRequest& request) {
  LookupReply reply;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return {.status = 0, .headers = {}, .body = {}, .error = "libcurl could not be started"};
  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers) list = curl_slist_append(list, (name + ": " + value).c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(list, curl_slist_free_all);
  Sink sink{reply, request.most_bytes};
  char why[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &sink);
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK) reply.status = static_cast<int>(status);
  else reply.error = sink.too_large ? "its answer is larger than " + std::to_string(request.most_bytes) + " bytes" : *why ? why : curl_easy_strerror(code);
  return reply;
}

}  // namespace

LookupHttp curl_lookup() {
  static std::once_flag once;  // curl_global_init is not thread-safe in every build
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  return send;
}

}  // namespace safelight
