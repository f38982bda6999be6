#include "service/providers/wire.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"

namespace safelight {
namespace {

constexpr std::uint64_t kMostPictureBytes = std::uint64_t{64} << 20;  // of one picture on its way, base64 included

// Length of the UTF-8 sequence that begins the text; 0: there is no valid one.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  const std::size_t length = first < 0x80 ? 1 : first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xF0 && first < 0xF5 ? 4 : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  return length;
}

// Milliseconds that a call may still take.
std::int64_t time_left_ms(const ProviderCall& call) {
  const std::int64_t limit = call.row.timeout_ms;
  return call.deadline_ms > 0 ? std::min(limit, std::max<std::int64_t>(1, call.deadline_ms - call.clock.steady_ms())) : limit;
}

// A time-out at the deadline may be seen a moment before it.
bool past_deadline(const ProviderCall& call) { return call.deadline_ms > 0 && call.clock.steady_ms() + 20 >= call.deadline_ms; }

Acceptance acceptance_of(FailureClass failure) {
  return failure == FailureClass::ambiguous ? Acceptance::unknown : Acceptance::rejected;
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t most_bytes) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (out.size() + std::max<std::size_t>(length, 1) > most_bytes) return out + "...";
    const unsigned char first = static_cast<unsigned char>(text[0]);
    if (length == 0) out += '?';
    else if (length == 1 && (first < 32 || first == 127)) out += ' ';
    else if (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) out += ' ';  // C1 controls
    else out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

HttpRequest http_request(const ProviderCall& call, const std::string& method, const std::string& path) {
  HttpRequest request{.method = method, .url = call.row.base_url + path, .ca_file = call.row.ca_file, .cancel = call.cancel};
  request.timeout_ms = time_left_ms(call);
  request.max_response_bytes = kMostPictureBytes * static_cast<std::uint64_t>(std::max(1, call.request.count));
  request.connect_timeout_ms = std::min(request.connect_timeout_ms, request.timeout_ms);
  return request;
}

HttpRequest json_request(const ProviderCall& call, const std::string& path, const Json& body) {
  HttpRequest request = http_request(call, "POST", path);
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return request;
}

std::optional<ProviderFailure> transport_failure(const HttpReply& reply, const ProviderCall& call) {
  if (reply.error == TransportError::none) return {};
  ProviderFailure failure{.http_status = reply.status};
  failure.acceptance = reply.sent ? Acceptance::unknown : Acceptance::not_sent;
  failure.message = "the call to " + url_host(call.row.base_url) + " failed: " + reply.message;
  // Whoever refuses with a complete status line has not done the work, even if its explanation was cut off.
  if (reply.sent && reply.status >= 400 && reply.status < 500 && reply.status != 408 && reply.status != 409) failure.acceptance = Acceptance::rejected;
  switch (reply.error) {
    case TransportError::cancelled: failure.failure = FailureClass::cancelled; break;
    case TransportError::bad_request: failure.failure = FailureClass::caller_error; break;
    case TransportError::redirect: failure.failure = FailureClass::caller_error, failure.acceptance = Acceptance::rejected; break;
    case TransportError::timeout:
      failure.failure = past_deadline(call) ? FailureClass::deadline : reply.sent ? FailureClass::ambiguous : FailureClass::transient;
      break;
    default: failure.failure = failure.acceptance == Acceptance::unknown ? FailureClass::ambiguous : FailureClass::transient;
  }
  if (failure.acceptance == Acceptance::unknown) failure.message += "; it may have been accepted and billed";
  return failure;
}

ProviderFailure reply_failure(FailureClass failure, const HttpReply& reply, const ProviderCall& call, const std::string& message) {
  ProviderFailure out{.failure = failure, .acceptance = acceptance_of(failure), .http_status = reply.status};
  out.message = "model '" + call.row.id + "' at " + url_host(call.row.base_url) + ": " + (message.empty() ? "no explanation" : clean_text(message)) +
                " (HTTP " + std::to_string(reply.status) + ")";
  const std::int64_t hint = retry_after_ms(reply.header("retry-after"), call.clock.unix_ms());
  if (hint >= 0) out.retry_after_ms = hint;
  const std::string milliseconds = reply.header("retry-after-ms");
  if (!milliseconds.empty() && milliseconds.size() <= 9 && std::all_of(milliseconds.begin(), milliseconds.end(), [](char c) { return c >= '0' && c <= '9'; }))
    out.retry_after_ms = std::stoll(milliseconds);
  return out;
}

FailureClass class_of_status(int status, bool vendor_spoke, bool has_request_id) {
  switch (status) {
    case 401: case 403: return FailureClass::auth;
    case 402: return FailureClass::exhausted;
    case 404: case 410: return FailureClass::model_not_found;
    case 408: case 409: case 425: return FailureClass::transient;
    case 429: return FailureClass::throttled;
    case 504: return FailureClass::ambiguous;  // a gateway gave up waiting for somebody who may go on
    default: break;
  }
  if (status < 500) return FailureClass::caller_error;
  const bool passed_nothing_on = (status == 502 || status == 503) && !has_request_id;
  return vendor_spoke || passed_nothing_on ? FailureClass::transient : FailureClass::ambiguous;
}

std::optional<Json> body_json(const HttpReply& reply) {
  try {
    return parse_json(reply.body, "answer");
  } catch (const Error&) {
    return {};
  }
}

std::string text_at(const Json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::int64_t number_at(const Json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  if (it == object.end()) return 0;
  if (it->is_number_unsigned()) return static_cast<std::int64_t>(std::min<std::uint64_t>(it->get<std::uint64_t>(), 1'000'000'000'000));
  return it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

const Json& object_at(const Json& object, const char* key) {
  static const Json kEmpty = Json::object();
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_object() ? *it : kEmpty;
}

const Json& list_at(const Json& object, const char* key) {
  static const Json kEmpty = Json::array();
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_array() ? *it : kEmpty;
}

std::optional<ProviderFailure> download(const ProviderCall& call, const std::string& url, std::string& bytes) {
  HttpRequest request = http_request(call, "GET", "");
  request.url = url;
  request.max_response_bytes = kMostPictureBytes;
  const std::string host = url_host(url);
  const bool own = host == url_host(call.row.base_url);
  request.public_addresses_only = !own;
  if (!own) request.ca_file.clear();
  HttpReply reply = call.transport.send(request);
  if (reply.error == TransportError::none && reply.status == 200) {
    bytes = std::move(reply.body);
    return {};
  }
  ProviderFailure failure{.failure = FailureClass::no_image, .acceptance = Acceptance::accepted, .http_status = reply.status};
  if (reply.error == TransportError::cancelled) failure.failure = FailureClass::cancelled;
  else if (reply.error == TransportError::timeout && past_deadline(call)) failure.failure = FailureClass::deadline;
  failure.message = "the picture was made, but its link to " + (host.empty() ? "a malformed address" : clean_text(host, 100)) + " gave " +
                    (reply.error == TransportError::none ? "HTTP " + std::to_string(reply.status) : reply.message);
  return failure;
}

}  // namespace safelight
