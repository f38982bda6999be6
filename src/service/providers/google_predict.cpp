// Google's predict for Imagen. Facts: cloud.google.com/vertex-ai (Imagen), google-genai's request maps, read 2026-11.
#include "service/providers/encoding.h"
#include "service/providers/google.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

// What the Gemini API refuses and Vertex takes; empty: nothing of it is asked for.
std::string vertex_only(const ImageRequest& r) {
  if (!r.negative.empty()) return "a negative prompt";
  if (r.seed) return "a seed";
  return "";
}

Json body_of(const ProviderCall& call, const std::optional<std::uint64_t>& seed) {
  const ImageRequest& r = call.request;
  // With the reason of a filter, or a filtered answer would be an empty object.
  Json parameters = {{"sampleCount", r.count}, {"includeRaiReason", true}, {"outputOptions", {{"mimeType", "image/" + r.format}}}};
  if (!call.size.aspect.empty()) parameters["aspectRatio"] = call.size.aspect;
  if (!call.size.tier.empty()) parameters["sampleImageSize"] = call.size.tier;
  if (r.compression) parameters["outputOptions"]["compressionQuality"] = *r.compression;
  if (!r.negative.empty()) parameters["negativePrompt"] = r.negative;
  if (seed) parameters["seed"] = *seed, parameters["addWatermark"] = false;  // a seed is refused beside a watermark
  return {{"instances", Json::array({Json{{"prompt", r.prompt}}})}, {"parameters", parameters}};
}

// Blocked pictures are not charged.
ProviderFailure filtered(const HttpReply& reply, const ProviderCall& call, const std::string& why) {
  ProviderFailure failure = reply_failure(FailureClass::refused, reply, call, why.empty() ? "every picture was filtered out" : why);
  failure.acceptance = Acceptance::rejected;
  return failure;
}

ProviderFailure unreadable(const HttpReply& reply, const ProviderCall& call, const std::string& why) {
  ProviderFailure failure = reply_failure(FailureClass::no_image, reply, call, why);
  failure.acceptance = Acceptance::unknown;
  return failure;
}

void read_predictions(const Json& body, const HttpReply& reply, const ProviderCall& call, CallOutcome& outcome) {
  std::string reason;
  for (const Json& prediction : list_at(body, "predictions")) {
    if (text_at(prediction, "contentType") == "Positive Prompt") continue;  // the prompt's ratings
    if (const std::string why = text_at(prediction, "raiFilteredReason"); !why.empty()) reason = why;
    const std::string encoded = text_at(prediction, "bytesBase64Encoded");
    if (encoded.empty()) continue;
    auto bytes = base64_decoded(encoded);
    if (!bytes) {
      outcome.failure = unreadable(reply, call, "a picture is no base64");
      return;
    }
    outcome.images.push_back({.bytes = std::move(*bytes), .revised_prompt = text_at(prediction, "prompt")});
  }
  if (static_cast<int>(outcome.images.size()) < call.request.count) outcome.failure = filtered(reply, call, reason);
}

CallOutcome call_predict(const ProviderCall& call) {
  CallOutcome outcome;
  const std::string lacking = is_vertex(call.row) ? "" : vertex_only(call.request);
  if (!lacking.empty()) {
    outcome.failure = ProviderFailure{.failure = FailureClass::unsupported, .message = "Imagen takes " + lacking + " over Vertex alone; correct the capabilities of model '" + call.row.id + "' in the catalogue"};
    return outcome;
  }
  const auto seed = google_seed(call.request, outcome.warnings);
  const HttpReply reply = call.transport.send(google_request(call, "predict", body_of(call, seed)));
  if (auto failure = transport_failure(reply, call)) return outcome.failure = failure, outcome;
  if (reply.status != 200) return outcome.failure = google_failure(reply, call), outcome;
  const std::optional<Json> body = body_json(reply);
  if (!body || !body->is_object()) return outcome.failure = unreadable(reply, call, "its answer is no JSON"), outcome;
  read_predictions(*body, reply, call, outcome);
  if (!outcome.images.empty()) outcome.images.front().seed = seed;  // the others' seeds are not told
  return outcome;
}

}  // namespace

ProviderEntry google_predict() {
  return {.name = "google.predict", .summary = "Google's Imagen", .dialects = {"gemini", "vertex"}, .call = call_predict};
}

}  // namespace safelight
