// stable-diffusion.cpp's own job interface (sd-server). Facts: examples/server/api.md, read 2026-11.
#include "service/providers/encoding.h"
#include "service/providers/peer.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

Json body_of(const ProviderCall& call) {
  const ImageRequest& r = call.request;
  Json body = {{"prompt", r.prompt}, {"width", call.size.width_px}, {"height", call.size.height_px}, {"batch_count", r.count}};
  if (!r.negative.empty()) body["negative_prompt"] = r.negative;
  if (r.seed) body["seed"] = *r.seed;
  if (r.steps) body["sample_params"]["sample_steps"] = *r.steps;
  if (r.guidance) body["sample_params"]["guidance"]["txt_cfg"] = *r.guidance;
  if (!r.init.empty()) body["init_image"] = base64_encoded(r.init);
  if (!r.mask.empty()) body["mask_image"] = base64_encoded(r.mask);
  if (r.strength) body["strength"] = *r.strength;
  for (const std::string& picture : r.references) body["ref_images"].push_back(base64_encoded(picture));
  return body;
}

// {"error": "words", "message": "more words"} or {"error": {code, message}}.
std::string words_of(const Json& body) {
  const std::string error = text_at(body, "error"), message = text_at(body, "message");
  if (error.empty()) return text_at(object_at(body, "error"), "message");
  return message.empty() ? error : error + ": " + message;
}

ProviderFailure refusal(const HttpReply& reply, const ProviderCall& call) {
  const Json body = body_json(reply).value_or(Json());
  const std::string words = words_of(body);
  return reply_failure(class_of_status(reply.status, !words.empty(), false), reply, call, words);
}

ProviderFailure lost(const ProviderCall& call, const std::string& id, const std::string& why) {
  return {.failure = FailureClass::peer_lost, .message = "model '" + call.row.id + "': job " + clean_text(id, 60) + " is lost: " + why, .acceptance = Acceptance::unknown};
}

void take_result(const Json& job, const HttpReply& reply, const ProviderCall& call, CallOutcome& outcome) {
  for (const Json& entry : list_at(object_at(job, "result"), "images")) {
    auto bytes = base64_decoded(text_at(entry, "b64_json"));
    if (!bytes || bytes->empty()) continue;
    outcome.images.push_back({.bytes = std::move(*bytes)});
    if (call.request.seed) outcome.images.back().seed = *call.request.seed + outcome.images.size() - 1;
  }
  if (static_cast<int>(outcome.images.size()) >= call.request.count) return;
  outcome.failure = reply_failure(FailureClass::no_image, reply, call, "its finished job holds " + std::to_string(outcome.images.size()) + " of " + std::to_string(call.request.count) + " pictures");
  outcome.failure->acceptance = Acceptance::accepted;
}

// True: the job has ended, well or not.
bool look_at_job(const ProviderCall& call, const std::string& id, PeerPatience& patience, CallOutcome& outcome) {
  const HttpReply reply = ask_peer(call, "/sdcpp/v1/jobs/" + id);
  if (reply.error != TransportError::none) {
    if (patience.still(reply)) return false;
    return outcome.failure = lost(call, id, "the peer no longer answers (" + reply.message + ")"), true;
  }
  patience.still(reply);
  if (reply.status == 404 || reply.status == 410) return outcome.failure = lost(call, id, reply.status == 404 ? "the peer does not know it" : "its result has expired"), true;
  const Json job = body_json(reply).value_or(Json());
  const std::string status = text_at(job, "status");
  if (reply.status != 200 || status.empty()) return outcome.failure = lost(call, id, "the peer answered HTTP " + std::to_string(reply.status) + " without a status"), true;
  if (status == "queued" || status == "generating") return false;
  if (status == "completed") {
    take_result(job, reply, call, outcome);
  } else if (status == "failed") {
    outcome.failure = reply_failure(FailureClass::no_image, reply, call, "its job failed: " + words_of(job));
    outcome.failure->acceptance = Acceptance::rejected;
    outcome.failure->vendor_code = text_at(object_at(job, "error"), "code");
  } else {
    outcome.failure = lost(call, id, "its status is '" + clean_text(status, 40) + "'");
  }
  return true;
}

bool is_plain_id(const std::string& id) {
  return !id.empty() && id.size() <= 100 && id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos;
}

CallOutcome call_sdcpp(const ProviderCall& call) {
  CallOutcome outcome;
  const Json body = body_of(call);
  const HttpReply reply = ask_peer(call, "/sdcpp/v1/img_gen", &body);
  if (auto failure = transport_failure(reply, call)) return outcome.failure = failure, outcome;
  if (reply.status != 202) return outcome.failure = refusal(reply, call), outcome;
  const std::string id = text_at(body_json(reply).value_or(Json()), "id");
  if (!is_plain_id(id)) return outcome.failure = lost(call, "", "the peer accepted it without telling its id"), outcome;
  outcome.request_id = id;
  call.note_remote_id(id);
  PeerPatience patience;
  if (auto failure = wait_for_peer(call, [&] { return look_at_job(call, id, patience, outcome); })) {
    outcome.failure = failure;
    // So that it does not go on for nobody. What already paints cannot be stopped (HTTP 409), and that is all right.
    tell_peer(call, "/sdcpp/v1/jobs/" + id + "/cancel", Json::object());
  }
  return outcome;
}

}  // namespace

ProviderEntry sdcpp() { return {.name = "sdcpp", .summary = "stable-diffusion.cpp's server, by its own job interface", .dialects = {}, .call = call_sdcpp}; }

}  // namespace safelight
