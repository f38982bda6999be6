#include "service/providers/curl_transport.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "common/base/error.h"

namespace safelight {
namespace {

constexpr std::size_t kMaxHeaders = 256, kLongestHeader = 16'384;
constexpr int kMostRedirects = 3;
constexpr int kPoll_ms = 20;  // how late a cancel may be seen

struct Exchange {
  const HttpRequest& request;
  HttpReply reply;
  bool too_large = false, forbidden = false;
};

struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct EasyCleanup {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct MultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using List = std::unique_ptr<curl_slist, ListCleanup>;
using Easy = std::unique_ptr<CURL, EasyCleanup>;

bool is_public(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const std::uint32_t ip = ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
    const auto within = [&](std::uint32_t net, int bits) { return ip >> (32 - bits) == net >> (32 - bits); };
    return !(within(0x00000000, 8) || within(0x0A000000, 8) || within(0x7F000000, 8) || within(0xA9FE0000, 16) || within(0xAC100000, 12) ||
             within(0xC0A80000, 16) || within(0x64400000, 10) || ip >= 0xE0000000);
  }
  if (address->sa_family != AF_INET6) return false;
  const std::uint8_t* ip = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr.s6_addr;
  return (ip[0] & 0xE0) == 0x20 && !(ip[0] == 0x20 && ip[1] == 0x02);  // 2000::/3, global unicast, without 6to4, which may wrap a private one
}

curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (exchange.request.public_addresses_only && !is_public(&address->addr)) {
    exchange.forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& reply = static_cast<Exchange*>(user)->reply;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    reply.headers.clear();  // after an interim answer such as 100 Continue
    reply.status = std::atoi(std::string(line.substr(std::min(line.find(' '), line.size()))).c_str());
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || reply.headers.size() >= kMaxHeaders || line.size() > kLongestHeader) return line.size();
  std::string key(line.substr(0, colon));
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  const std::size_t from = line.find_first_not_of(" \t", colon + 1), to = line.find_last_not_of(" \t\r\n");
  reply.headers[key] = from == std::string_view::npos || to < from ? "" : std::string(line.substr(from, to - from + 1));
  return line.size();
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view piece(data, size * count);
  if (exchange.reply.body.size() + piece.size() > exchange.request.max_response_bytes) {
    exchange.too_large = true;
    return 0;  // ends the transfer
  }
  exchange.reply.body += piece;
  if (exchange.request.on_body && exchange.reply.status / 100 == 2) exchange.request.on_body(piece);
  return piece.size();
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 32 || c == 127; });
}

// A line break in a header would begin another one; a key read from a file often ends with one.
std::string unsendable_part(const HttpRequest& request) {
  if (has_control_characters(request.url) || request.url.find(' ') != std::string::npos) return "the URL holds a space or a control character";
  for (const auto& [key, value] : request.headers)
    if (has_control_characters(key) || has_control_characters(value)) return "the header '" + key.substr(0, 40) + "' holds a control character";
  if (has_control_characters(request.secret.secret.reveal())) return "the key holds a control character, perhaps a line end: remove it";
  return "";
}

List header_list(const HttpRequest& request) {
  List list;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (!longer) throw Error(ErrorCode::out_of_memory, "a request's headers do not fit into memory; free some");
    (void)list.release();
    list.reset(longer);
  };
  for (const auto& [key, value] : request.headers) add(key + ": " + value);
  if (!request.secret.name.empty()) add(request.secret.name + ": " + request.secret.prefix + request.secret.secret.reveal());
  add("Expect:");  // no waiting for 100 Continue
  return list;
}

void set_up(CURL* curl, Exchange& exchange, const std::string& url, const curl_slist* headers) {
  const HttpRequest& request = exchange.request;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!request.ca_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, request.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);  // the row's authority and no other
  }
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(request.timeout_ms, 1)));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(request.connect_timeout_ms, 1)));
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "POST" || !request.body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
}

// Runs the transfer to its end or until *cancel; a plain curl_easy_perform looks for a cancel once a second at best.
CURLcode perform(CURL* curl, const std::atomic<bool>* cancel) {
  const std::unique_ptr<CURLM, MultiCleanup> multi(curl_multi_init());
  if (!multi || curl_multi_add_handle(multi.get(), curl) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  for (int running = 1; running && !(cancel && *cancel);) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) break;
    if (running) curl_multi_poll(multi.get(), nullptr, 0, kPoll_ms, nullptr);
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left))
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  curl_multi_remove_handle(multi.get(), curl);
  return code;
}

TransportError kind_of(CURLcode code, const Exchange& exchange) {
  if (exchange.too_large) return TransportError::too_large;
  if (exchange.forbidden) return TransportError::forbidden_address;
  switch (code) {
    case CURLE_OK: return TransportError::none;
    case CURLE_ABORTED_BY_CALLBACK: return TransportError::cancelled;
    case CURLE_URL_MALFORMAT: case CURLE_UNSUPPORTED_PROTOCOL: return TransportError::bad_request;
    case CURLE_COULDNT_RESOLVE_HOST: return TransportError::resolve;
    case CURLE_COULDNT_CONNECT: return TransportError::connect;
    case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CONNECT_ERROR: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_CIPHER: case CURLE_SSL_CERTPROBLEM: return TransportError::tls;
    case CURLE_OPERATION_TIMEDOUT: return TransportError::timeout;
    case CURLE_SEND_ERROR: return TransportError::send;
    default: return TransportError::receive;
  }
}

// Scheme, host and port, as far as they are written out.
std::string origin(std::string_view url) {
  const std::size_t scheme = url.find("://");
  return scheme == std::string_view::npos ? "" : std::string(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

// One exchange; *next becomes the address that a redirect names, empty without one.
HttpReply exchange_once(const HttpRequest& request, const std::string& url, std::string& next) {
  Exchange exchange{.request = request, .reply = {}};
  const Easy curl(curl_easy_init());
  if (!curl) throw Error(ErrorCode::out_of_memory, "the HTTP client could not start; free some memory");
  const List headers = header_list(request);
  set_up(curl.get(), exchange, url, headers.get());
  const CURLcode code = perform(curl.get(), request.cancel);
  long status = 0;
  curl_off_t begun_us = 0, uploaded = 0;
  const char* location = nullptr;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl.get(), CURLINFO_PRETRANSFER_TIME_T, &begun_us);
  curl_easy_getinfo(curl.get(), CURLINFO_SIZE_UPLOAD_T, &uploaded);
  curl_easy_getinfo(curl.get(), CURLINFO_REDIRECT_URL, &location);
  next = location ? location : "";
  HttpReply& reply = exchange.reply;
  reply.status = static_cast<int>(status);
  // Once the system has taken the last byte it may have arrived: money safety counts it as sent.
  reply.sent = begun_us > 0 && uploaded >= static_cast<curl_off_t>(request.body.size());
  reply.error = kind_of(code, exchange);
  if (reply.error != TransportError::none) reply.message = std::string(name(reply.error)) + ": " + curl_easy_strerror(code);
  return std::move(reply);
}

}  // namespace

CurlTransport::CurlTransport() {
  static std::once_flag once;  // curl_global_init is not thread-safe in every build
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

HttpReply CurlTransport::send(const HttpRequest& request) {
  if (const std::string part = unsendable_part(request); !part.empty()) return {.error = TransportError::bad_request, .message = "bad_request: " + part};
  std::string url = request.url, next;
  for (int redirects = 0;; ++redirects) {
    HttpReply reply = exchange_once(request, url, next);
    if (reply.error != TransportError::none || reply.status / 100 != 3) return reply;
    const bool follow = request.method == "GET" && !next.empty() && origin(next) == origin(url) && redirects < kMostRedirects;
    if (!follow) {
      reply.error = TransportError::redirect;
      reply.message = "redirect: the answer points elsewhere (HTTP " + std::to_string(reply.status) + "); give the final address as base_url";
      return reply;
    }
    url = next;
  }
}

}  // namespace safelight
