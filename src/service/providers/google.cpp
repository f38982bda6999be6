#include "service/providers/google.h"

#include <algorithm>
#include <cstdlib>

#include "service/providers/wire.h"

namespace safelight {
namespace {

struct GoogleError {
  bool spoke = false;              // the body is an error in Google's shape
  std::string message, status;     // "RESOURCE_EXHAUSTED"
  std::string reason;              // of an ErrorInfo: "API_KEY_INVALID"
  std::optional<std::int64_t> retry_ms;
  bool window_over = false;        // the quota is that of a day or of a free tier: repeating soon is of no use
};

// "13.5s" -> 13500; empty: not readable.
std::optional<std::int64_t> seconds_as_ms(const std::string& text) {
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || std::string_view(end) != "s" || !(seconds >= 0 && seconds < 1e7)) return {};
  return static_cast<std::int64_t>(seconds * 1000);
}

void read_detail(const Json& detail, GoogleError& out) {
  const std::string type = text_at(detail, "@type");
  if (type.ends_with("ErrorInfo")) {
    out.reason = text_at(detail, "reason");
    if (text_at(object_at(detail, "metadata"), "quota_limit_value") == "0") out.window_over = true;
  } else if (type.ends_with("RetryInfo")) {
    out.retry_ms = seconds_as_ms(text_at(detail, "retryDelay"));
  } else if (type.ends_with("QuotaFailure")) {
    for (const Json& violation : list_at(detail, "violations")) {
      const std::string quota = text_at(violation, "quotaId");
      if (quota.find("PerDay") != std::string::npos || quota.find("FreeTier") != std::string::npos) out.window_over = true;
    }
  }
}

GoogleError read_error(const HttpReply& reply) {
  GoogleError out;
  const std::optional<Json> body = body_json(reply);
  if (!body) return out;
  const Json& error = object_at(body->is_array() && body->size() == 1 ? body->front() : *body, "error");
  if (error.empty()) return out;
  out.spoke = true;
  out.message = text_at(error, "message"), out.status = text_at(error, "status");
  for (const Json& detail : list_at(error, "details")) read_detail(detail, out);
  return out;
}

FailureClass class_of(const GoogleError& error, const HttpReply& reply, const ModelRow& row) {
  const auto says = [&](const char* words) { return error.message.find(words) != std::string::npos; };
  if (reply.status == 400 && (says("Responsible AI") || says("Support codes"))) return FailureClass::refused;
  // A wrong key and a forbidden place come as 400, like a wrong parameter.
  if (error.reason == "API_KEY_INVALID" || error.status == "FAILED_PRECONDITION") return FailureClass::auth;
  if (reply.status == 404 && error.spoke) {
    const auto& hosts = row.vendor_hosts;
    return std::find(hosts.begin(), hosts.end(), url_host(row.base_url)) != hosts.end() ? FailureClass::model_retired : FailureClass::model_not_found;
  }
  if (reply.status == 429) return error.window_over ? FailureClass::exhausted : FailureClass::throttled;
  if (error.status == "CANCELLED") return FailureClass::ambiguous;
  return class_of_status(reply.status, error.spoke, false);
}

}  // namespace

bool is_vertex(const ModelRow& row) { return row.dialect == "vertex"; }

std::optional<std::uint64_t> google_seed(const ImageRequest& request, std::vector<std::string>& warnings) {
  if (!request.seed) return {};
  const std::uint64_t seed = *request.seed & 0x7FFFFFFF;
  if (seed != *request.seed) warnings.push_back("the seed " + std::to_string(*request.seed) + " became " + std::to_string(seed) + ": Google takes 31 bits");
  return seed;
}

HttpRequest google_request(const ProviderCall& call, const std::string& method, const Json& body) {
  const std::string path = (is_vertex(call.row) ? "/publishers/google/models/" : "/v1beta/models/") + call.row.wire_model + ":" + method;
  HttpRequest request = json_request(call, path, body);
  if (call.credential.empty()) return request;
  if (is_vertex(call.row)) request.secret = {"Authorization", "Bearer ", call.credential};
  else request.secret = {"x-goog-api-key", "", call.credential};
  return request;
}

ProviderFailure google_failure(const HttpReply& reply, const ProviderCall& call) {
  const GoogleError error = read_error(reply);
  ProviderFailure failure = reply_failure(class_of(error, reply, call.row), reply, call, error.message);
  failure.vendor_code = error.reason.empty() ? error.status : error.reason;
  if (error.retry_ms) failure.retry_after_ms = error.retry_ms;
  return failure;
}

}  // namespace safelight
