// Google's generateContent for models that answer with pictures. Facts: ai.google.dev/gemini-api/docs, google-genai's types, read 2026-11.
#include <algorithm>

#include "service/providers/encoding.h"
#include "service/providers/google.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

constexpr std::size_t kMostQuoted = 500;  // bytes of what the model said instead of painting

Json inline_picture(const std::string& bytes) {
  const auto header = picture_header(bytes);
  return {{"inlineData", {{"mimeType", header ? header->mime : "image/png"}, {"data", base64_encoded(bytes)}}}};
}

Json body_of(const ProviderCall& call, const std::optional<std::uint64_t>& seed) {
  const ImageRequest& r = call.request;
  Json parts = Json::array({Json{{"text", r.prompt}}});
  if (!r.init.empty()) parts.push_back(inline_picture(r.init));
  for (const std::string& picture : r.references) parts.push_back(inline_picture(picture));
  if (!r.mask.empty()) {
    parts.push_back(Json{{"text", "The next picture is a mask: change the first picture only where the mask is white."}});
    parts.push_back(inline_picture(r.mask));
  }
  Json config = {{"responseModalities", {"TEXT", "IMAGE"}}};  // text too, so that a refusal says why
  if (!call.size.aspect.empty()) config["imageConfig"]["aspectRatio"] = call.size.aspect;
  if (!call.size.tier.empty()) config["imageConfig"]["imageSize"] = call.size.tier;
  if (seed) config["seed"] = *seed;
  return {{"contents", Json::array({Json{{"role", "user"}, {"parts", parts}}})}, {"generationConfig", config}};
}

const Json& inline_data(const Json& part) {
  const Json& data = object_at(part, "inlineData");
  return data.empty() ? object_at(part, "inline_data") : data;  // some proxies rename it
}

// The last picture that is no thought; where there is none, the last thought of one.
std::string picture_in(const Json& parts) {
  std::string picture, thought;
  for (const Json& part : parts) {
    const std::string data = text_at(inline_data(part), "data");
    if (data.empty()) continue;
    const auto it = part.find("thought");
    const bool is_thought = it != part.end() && it->is_boolean() && it->get<bool>();
    (is_thought ? thought : picture) = data;
  }
  return picture.empty() ? thought : picture;
}

std::string text_in(const Json& parts) {
  std::string text;
  for (const Json& part : parts) text += text_at(part, "text");
  return clean_text(text, kMostQuoted);
}

ProviderUsage usage_of(const Json& json) {
  ProviderUsage usage;
  if (json.empty()) return usage;
  usage.known = true;
  const auto add = [&](const char* list, std::int64_t& text, std::int64_t& image) {
    for (const Json& detail : list_at(json, list)) (text_at(detail, "modality") == "IMAGE" ? image : text) += number_at(detail, "tokenCount");
  };
  std::int64_t said = 0;  // text in the answer has no price of its own in the catalogue
  add("promptTokensDetails", usage.text_in, usage.image_in);
  add("candidatesTokensDetails", said, usage.image_out);
  if (list_at(json, "promptTokensDetails").empty()) usage.text_in = number_at(json, "promptTokenCount");
  if (list_at(json, "candidatesTokensDetails").empty()) usage.image_out = number_at(json, "candidatesTokenCount");
  return usage;
}

// 200 without a picture. No picture, no image tokens: it costs next to nothing, so that what may pass may be asked again.
ProviderFailure no_picture(const Json& body, const HttpReply& reply, const ProviderCall& call) {
  constexpr std::string_view kRefused[] = {"SAFETY", "IMAGE_SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "SPII", "RECITATION", "IMAGE_RECITATION"};
  const Json& feedback = object_at(body, "promptFeedback");
  const Json& candidates = list_at(body, "candidates");
  const Json candidate = candidates.empty() ? Json::object() : candidates.front();
  const std::string block = text_at(feedback, "blockReason"), finish = text_at(candidate, "finishReason");
  const bool refused = !block.empty() || std::find(std::begin(kRefused), std::end(kRefused), finish) != std::end(kRefused);
  const FailureClass failure = refused ? FailureClass::refused : finish == "MAX_TOKENS" ? FailureClass::caller_error : FailureClass::no_image;
  const std::string code = block.empty() ? finish : block;
  std::string why = refused ? "it refused" : "it answered without a picture";
  if (!code.empty()) why += " (" + clean_text(code, 60) + ")";
  const std::string said = text_in(list_at(object_at(candidate, "content"), "parts"));
  for (const std::string& more : {text_at(feedback, "blockReasonMessage"), text_at(candidate, "finishMessage"), said})
    if (!more.empty()) why += ": " + more;
  ProviderFailure out = reply_failure(failure, reply, call, why);
  out.acceptance = Acceptance::rejected;
  out.vendor_code = code;
  return out;
}

CallOutcome call_generate_content(const ProviderCall& call) {
  CallOutcome outcome;
  if (call.request.count > 1) {
    outcome.failure = ProviderFailure{.failure = FailureClass::unsupported, .message = "gemini.generate_content makes one picture a call; set max_count of model '" + call.row.id + "' to 1"};
    return outcome;
  }
  const auto seed = google_seed(call.request, outcome.warnings);
  const HttpReply reply = call.transport.send(google_request(call, "generateContent", body_of(call, seed)));
  if (auto failure = transport_failure(reply, call)) return outcome.failure = failure, outcome;
  if (reply.status != 200) return outcome.failure = google_failure(reply, call), outcome;
  const std::optional<Json> body = body_json(reply);
  if (!body || !body->is_object()) {
    outcome.failure = reply_failure(FailureClass::no_image, reply, call, "its answer is no JSON");
    outcome.failure->acceptance = Acceptance::unknown;
    return outcome;
  }
  outcome.request_id = text_at(*body, "responseId");
  outcome.reported_model = text_at(*body, "modelVersion");
  outcome.usage = usage_of(object_at(*body, "usageMetadata"));
  const Json& candidates = list_at(*body, "candidates");
  const std::string encoded = candidates.empty() ? "" : picture_in(list_at(object_at(candidates.front(), "content"), "parts"));
  if (encoded.empty()) return outcome.failure = no_picture(*body, reply, call), outcome.failure->request_id = outcome.request_id, outcome;
  auto bytes = base64_decoded(encoded);
  if (!bytes) {
    outcome.failure = reply_failure(FailureClass::no_image, reply, call, "its picture is no base64");
    outcome.failure->acceptance = Acceptance::accepted;
    return outcome;
  }
  outcome.images.push_back({.bytes = std::move(*bytes), .seed = seed});
  return outcome;
}

}  // namespace

ProviderEntry gemini_generate_content() {
  return {.name = "gemini.generate_content", .summary = "Google's Gemini models that paint (Nano Banana)", .dialects = {"gemini", "vertex"}, .call = call_generate_content};
}

}  // namespace safelight
