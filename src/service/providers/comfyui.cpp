// ComfyUI: a graph is queued under an id of ours, so that a call whose answer was lost can be looked up. Facts: ComfyUI's server.py and
// docs.comfy.org, read 2026-11.
#include <algorithm>

#include "common/base/sha256.h"
#include "service/providers/comfyui_workflow.h"
#include "service/providers/peer.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

// A canonical UUID that depends on the attempt alone (RFC 9562, version 8: the rest is ours).
std::string uuid_of(const std::string& attempt_id) {
  std::string hex = sha256_hex(attempt_id).substr(0, 32);
  hex[12] = '8', hex[16] = 'a';
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" + hex.substr(20);
}

std::string query_escaped(const std::string& text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) out += static_cast<char>(c);
    else (out += '%') += {kHex[c >> 4], kHex[c & 15]};
  }
  return out;
}

ProviderFailure refusal(const HttpReply& reply, const ProviderCall& call) {
  const Json body = body_json(reply).value_or(Json());
  const Json& error = object_at(body, "error");
  std::string words = text_at(error, "message"), details = text_at(error, "details");
  bool unknown_model = text_at(error, "type") == "missing_node_type";
  for (const auto& [node, errors] : object_at(body, "node_errors").items())
    for (const Json& e : list_at(errors, "errors")) {
      details += "; node " + node + ": " + text_at(e, "message") + " " + text_at(e, "details");
      unknown_model = unknown_model || (text_at(e, "type") == "value_not_in_list" && text_at(e, "details").starts_with("ckpt_name"));
    }
  const FailureClass failure = unknown_model ? FailureClass::model_not_found : class_of_status(reply.status, !error.empty(), false);
  ProviderFailure out = reply_failure(failure, reply, call, words + (details.empty() ? "" : ": " + details));
  out.vendor_code = text_at(error, "type");
  return out;
}

ProviderFailure lost(const ProviderCall& call, const std::string& why) {
  return {.failure = FailureClass::peer_lost, .message = "model '" + call.row.id + "': " + why, .acceptance = Acceptance::unknown};
}

bool queue_holds(const Json& queue, const std::string& id) {
  for (const char* list : {"queue_running", "queue_pending"})
    for (const Json& entry : list_at(queue, list))
      if (entry.is_array() && entry.size() > 1 && entry[1].is_string() && entry[1].get<std::string>() == id) return true;
  return false;
}

// One prompt on its way through the peer.
class Prompt {
 public:
  Prompt(const ProviderCall& call, CallOutcome& outcome) : call_(call), outcome_(outcome), id_(uuid_of(call.attempt_id)) {}
  const std::string& id() const { return id_; }

  // False: it was not taken, and outcome.failure says why.
  bool submit(const Json& graph) {
    call_.note_remote_id(id_);
    outcome_.request_id = id_;
    const Json body = {{"prompt", graph}, {"client_id", id_}, {"prompt_id", id_}};
    const HttpReply reply = ask_peer(call_, "/prompt", &body);
    if (const auto failure = transport_failure(reply, call_)) {
      outcome_.failure = failure;
      return failure->failure == FailureClass::ambiguous && look_up(*failure);
    }
    if (reply.status != 200) return outcome_.failure = refusal(reply, call_), false;
    return true;
  }

  // True: it has ended, well or not.
  bool look() {
    const HttpReply reply = ask_peer(call_, "/history/" + id_);
    if (!patience_.still(reply)) return outcome_.failure = lost(call_, "the peer no longer answers (" + reply.message + ")"), true;
    const std::optional<Json> body = body_json(reply);
    if (reply.error != TransportError::none || reply.status != 200 || !body) return false;
    const Json& entry = object_at(*body, id_.c_str());
    if (!entry.empty()) return finish(entry, reply), true;
    if (known_to_queue()) return misses_ = 0, false;
    // It may have ended between the two questions; twice in neither place means that the peer has forgotten it.
    if (++misses_ < 2) return false;
    return outcome_.failure = lost(call_, "the peer has forgotten the prompt; it was perhaps restarted"), true;
  }

 private:
  bool known_to_queue() {
    const HttpReply reply = ask_peer(call_, "/queue");
    return reply.error != TransportError::none || queue_holds(body_json(reply).value_or(Json()), id_);
  }

  // The answer to the submission was lost: whether the peer has it all the same.
  bool look_up(const ProviderFailure& failure) {
    const HttpReply history = ask_peer(call_, "/history/" + id_), queue = ask_peer(call_, "/queue");
    if (history.status != 200 || queue.status != 200) return false;
    const bool taken = !object_at(body_json(history).value_or(Json()), id_.c_str()).empty() || queue_holds(body_json(queue).value_or(Json()), id_);
    if (taken) return outcome_.failure.reset(), true;
    outcome_.failure->failure = FailureClass::transient;
    outcome_.failure->acceptance = Acceptance::rejected;
    outcome_.failure->message = failure.message + "; the peer does not have it";
    return false;
  }

  void finish(const Json& entry, const HttpReply& reply) {
    const Json& status = object_at(entry, "status");
    if (text_at(status, "status_str") == "error") return fail(status, reply);
    for (const auto& [node, output] : object_at(entry, "outputs").items())
      for (const Json& image : list_at(output, "images"))
        if (text_at(image, "type") == "output" && !fetch(image)) return;
    if (!outcome_.images.empty()) return;
    outcome_.failure = reply_failure(FailureClass::no_image, reply, call_, "its graph ended without a saved picture");
    outcome_.failure->acceptance = Acceptance::accepted;
  }

  void fail(const Json& status, const HttpReply& reply) {
    FailureClass failure = FailureClass::no_image;
    std::string words = "its graph failed";
    for (const Json& message : list_at(status, "messages")) {
      if (!message.is_array() || message.size() < 2 || !message[0].is_string()) continue;
      const std::string kind = message[0].get<std::string>();
      if (kind == "execution_interrupted") failure = FailureClass::peer_lost, words = "somebody interrupted it";
      if (kind != "execution_error") continue;
      words += " at " + text_at(message[1], "node_type") + ": " + text_at(message[1], "exception_message");
      if (text_at(message[1], "exception_type").find("OutOfMemory") != std::string::npos) failure = FailureClass::transient;
    }
    outcome_.failure = reply_failure(failure, reply, call_, words);
    outcome_.failure->acceptance = Acceptance::rejected;
  }

  bool fetch(const Json& image) {
    ProviderImage picture;
    const std::string path = "/view?filename=" + query_escaped(text_at(image, "filename")) + "&subfolder=" + query_escaped(text_at(image, "subfolder")) + "&type=output";
    const HttpReply reply = ask_peer(call_, path);
    if (reply.error != TransportError::none || reply.status != 200) {
      outcome_.failure = ProviderFailure{.failure = FailureClass::no_image, .message = "the picture was made, but fetching it gave " + (reply.error == TransportError::none ? "HTTP " + std::to_string(reply.status) : reply.message),
                          .acceptance = Acceptance::accepted, .http_status = reply.status};
      return false;
    }
    outcome_.images.push_back({.bytes = reply.body});
    if (call_.request.seed) outcome_.images.back().seed = call_.request.seed;  // one seed makes the whole batch
    return true;
  }

  const ProviderCall& call_;
  CallOutcome& outcome_;
  std::string id_;
  PeerPatience patience_;
  int misses_ = 0;
};

CallOutcome call_comfyui(const ProviderCall& call) {
  CallOutcome outcome;
  const ImageRequest& r = call.request;
  std::string missing = !r.init.empty() || !r.references.empty() ? "pictures in the request are not sent to it" : "";
  const Json graph = missing.empty() ? comfyui_graph(call, missing) : Json();
  if (!missing.empty()) {
    outcome.failure = ProviderFailure{.failure = FailureClass::unsupported, .message = "model '" + call.row.id + "': " + missing + "; correct its workflow or its capabilities in the catalogue"};
    return outcome;
  }
  Prompt prompt(call, outcome);
  if (!prompt.submit(graph)) return outcome;
  if (auto failure = wait_for_peer(call, [&] { return prompt.look(); })) {
    outcome.failure = failure;
    tell_peer(call, "/queue", {{"delete", Json::array({prompt.id()})}});
    tell_peer(call, "/interrupt", {{"prompt_id", prompt.id()}});  // with the id: without it a stranger's prompt would stop
  }
  return outcome;
}

}  // namespace

ProviderEntry comfyui() { return {.name = "comfyui", .summary = "ComfyUI, with a workflow of yours or a plain one", .dialects = {}, .call = call_comfyui}; }

}  // namespace safelight
