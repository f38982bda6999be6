#include "service/providers/openai_answer.h"

#include <algorithm>
#include <cstdlib>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "service/providers/encoding.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

struct VendorError {
  bool spoke = false;              // the body is an error in a known shape
  std::string message, type, code;
};

// {"error": {message, type, param, code}}; compatible servers also answer {"error": "..."} or {"detail": "..." | [{msg}]}.
VendorError read_error(const Json& body) {
  VendorError out;
  if (!body.is_object()) return out;
  const Json& error = object_at(body, "error");
  if (!error.empty()) {
    out = {true, text_at(error, "message"), text_at(error, "type"), text_at(error, "code")};
    if (!text_at(object_at(error, "inner_error"), "code").empty()) out.code = text_at(object_at(error, "inner_error"), "code");
  } else if (const std::string text = text_at(body, "error"); !text.empty()) {
    out = {true, text_at(body, "message").empty() ? text : text + ": " + text_at(body, "message"), "", ""};
  } else if (const std::string detail = text_at(body, "detail"); !detail.empty()) {
    out = {true, detail, "", ""};
  } else if (const Json& details = list_at(body, "detail"); !details.empty()) {
    out = {true, text_at(details.front(), "msg"), "", ""};
  }
  return out;
}

FailureClass class_of(const VendorError& error, const HttpReply& reply, const ModelRow& row) {
  const auto any = [](const std::string& word, std::initializer_list<std::string_view> known) { return std::find(known.begin(), known.end(), word) != known.end(); };
  if (any(error.code, {"content_policy_violation", "moderation_blocked", "ResponsibleAIPolicyViolation"})) return FailureClass::refused;
  if (any(error.code, {"billing_hard_limit_reached", "insufficient_quota"}) || error.type == "insufficient_quota") return FailureClass::exhausted;
  if (any(error.code, {"invalid_api_key", "no_organization"})) return FailureClass::auth;
  if (error.code == "model_not_found" || (reply.status == 404 && error.spoke)) {
    const auto& hosts = row.vendor_hosts;
    const bool vendor = std::find(hosts.begin(), hosts.end(), url_host(row.base_url)) != hosts.end();
    return vendor ? FailureClass::model_retired : FailureClass::model_not_found;
  }
  return class_of_status(reply.status, error.spoke, !reply.header("x-request-id").empty());
}

// "6m0s", "1s", "20ms" -> milliseconds; -1: not readable.
std::int64_t duration_ms(const std::string& text) {
  double total = 0;
  const char* at = text.c_str();
  while (*at) {
    char* end = nullptr;
    const double value = std::strtod(at, &end);
    const std::string_view unit(end);
    if (end == at || !(value >= 0 && value < 1e7)) return -1;
    if (unit.starts_with("ms")) total += value, at = end + 2;
    else if (unit.starts_with("s")) total += value * 1e3, at = end + 1;
    else if (unit.starts_with("m")) total += value * 6e4, at = end + 1;
    else if (unit.starts_with("h")) total += value * 36e5, at = end + 1;
    else return -1;
  }
  return text.empty() ? -1 : static_cast<std::int64_t>(total);
}

// The longest time until a limit that is used up holds no more: x-ratelimit-{remaining,reset}-WHAT.
std::optional<std::int64_t> limit_hint_ms(const HttpReply& reply) {
  constexpr std::string_view kRemaining = "x-ratelimit-remaining-";
  std::optional<std::int64_t> hint;
  for (const auto& [key, value] : reply.headers) {
    if (!key.starts_with(kRemaining) || value != "0") continue;
    const std::int64_t reset = duration_ms(reply.header("x-ratelimit-reset-" + key.substr(kRemaining.size())));
    if (reset >= 0) hint = std::max(hint.value_or(0), reset);
  }
  return hint;
}

CallOutcome failed(const VendorError& error, const HttpReply& reply, const ProviderCall& call) {
  CallOutcome outcome{.request_id = reply.header("x-request-id")};
  const FailureClass failure = class_of(error, reply, call.row);
  outcome.failure = reply_failure(failure, reply, call, error.message);
  outcome.failure->vendor_code = error.code.empty() ? error.type : error.code;
  outcome.failure->request_id = outcome.request_id;
  outcome.failure->final = reply.header("x-should-retry") == "false";
  if (failure == FailureClass::throttled && !outcome.failure->retry_after_ms) outcome.failure->retry_after_ms = limit_hint_ms(reply);
  return outcome;
}

// 200 without what it should hold: the work may have been done and billed.
ProviderFailure empty_answer(const HttpReply& reply, const ProviderCall& call, const std::string& what) {
  ProviderFailure failure = reply_failure(FailureClass::no_image, reply, call, what);
  failure.acceptance = Acceptance::unknown;
  failure.request_id = reply.header("x-request-id");
  return failure;
}

void add_usage(ProviderUsage& usage, const Json& json) {
  if (json.empty()) return;
  const Json& details = object_at(json, "input_tokens_details");
  usage.text_in += details.empty() ? number_at(json, "input_tokens") : number_at(details, "text_tokens");
  usage.image_in += number_at(details, "image_tokens");
  usage.image_out += number_at(json, "output_tokens");
  usage.known = true;
}

// One entry of "data"; false: it holds no picture, and outcome.failure says why.
bool take_picture(const Json& entry, const HttpReply& reply, const ProviderCall& call, CallOutcome& outcome) {
  ProviderImage image{.revised_prompt = text_at(entry, "revised_prompt")};
  if (const std::string encoded = text_at(entry, "b64_json"); !encoded.empty()) {
    auto bytes = base64_decoded(encoded);
    if (!bytes) return outcome.failure = empty_answer(reply, call, "its picture is no base64"), false;
    image.bytes = std::move(*bytes);
  } else if (const std::string url = text_at(entry, "url"); !url.empty()) {
    if (auto failure = download(call, url, image.bytes)) return outcome.failure = failure, false;
  } else {
    return outcome.failure = empty_answer(reply, call, "an entry of its data holds no picture"), false;
  }
  outcome.images.push_back(std::move(image));
  return true;
}

}  // namespace

CallOutcome openai_answer(const HttpReply& reply, const ProviderCall& call) {
  CallOutcome outcome{.request_id = reply.header("x-request-id")};
  if (auto failure = transport_failure(reply, call)) return outcome.failure = failure, outcome;
  const std::optional<Json> body = body_json(reply);
  if (reply.status != 200) return failed(read_error(body.value_or(Json())), reply, call);
  if (!body) return outcome.failure = empty_answer(reply, call, "its answer is no JSON"), outcome;
  if (const VendorError error = read_error(*body); error.spoke) return outcome.failure = empty_answer(reply, call, error.message), outcome;
  add_usage(outcome.usage, object_at(*body, "usage"));
  outcome.reported_model = text_at(*body, "model");
  for (const Json& entry : list_at(*body, "data"))
    if (!take_picture(entry, reply, call, outcome)) break;
  if (outcome.images.empty() && !outcome.failure) outcome.failure = empty_answer(reply, call, "its answer holds no pictures");
  return outcome;
}

void OpenAiEvents::take(const std::string& event_name, const std::string& data) {
  Json json;
  try {
    json = parse_json(data, "event");
  } catch (const Error&) {
    return;  // an event of a kind that we do not know
  }
  if (!json.is_object()) return;
  const bool is_error = event_name == "error" || text_at(json, "type") == "error" || (json.contains("error") && !json["error"].is_null());
  if (is_error) {
    if (error_.empty()) error_ = object_at(json, "error").empty() ? Json{{"error", json}}.dump() : json.dump();
    return;
  }
  const std::string type = text_at(json, "type").empty() ? event_name : text_at(json, "type");
  auto bytes = base64_decoded(text_at(json, "b64_json"));
  if (!bytes || bytes->empty()) return;
  if (type.ends_with(".partial_image") && call_.on_preview) call_.on_preview({static_cast<int>(number_at(json, "partial_image_index")), std::move(*bytes)});
  if (!type.ends_with(".completed")) return;
  outcome_.images.push_back({.bytes = std::move(*bytes)});
  add_usage(outcome_.usage, object_at(json, "usage"));
}

CallOutcome OpenAiEvents::outcome(const HttpReply& reply, const std::string& residue) {
  CallOutcome& out = outcome_;
  out.request_id = reply.header("x-request-id");
  const bool complete = static_cast<int>(out.images.size()) >= call_.request.count;
  if (complete) return out;  // whatever came after it
  if (error_.empty() && !residue.empty()) take("error", residue);
  if (!error_.empty()) {
    // The status line said 200, so the error's own words decide; what is no refusal broke after the work had been accepted.
    const VendorError error = read_error(parse_json(error_, "event"));
    HttpReply as_error = reply;
    as_error.status = 500;
    out.failure = failed(error, as_error, call_).failure;
    const bool decided = out.failure->failure != FailureClass::transient && out.failure->failure != FailureClass::ambiguous;
    if (!decided) out.failure->failure = FailureClass::ambiguous, out.failure->acceptance = Acceptance::unknown;
  } else if (auto failure = transport_failure(reply, call_)) {
    out.failure = failure;
  } else {
    out.failure = empty_answer(reply, call_, "the stream ended before the picture came");
  }
  return out;
}

}  // namespace safelight
