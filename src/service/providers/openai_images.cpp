// OpenAI's Images API and the servers that speak a dialect of it. Facts: developers.openai.com/api/docs (images), read 2026-11.
#include <algorithm>

#include "common/formats/png.h"
#include "service/providers/encoding.h"
#include "service/providers/form.h"
#include "service/providers/openai_answer.h"
#include "service/providers/provider.h"
#include "service/providers/sse.h"
#include "service/providers/wire.h"

namespace safelight {
namespace {

// Which parameters a server takes, and what it calls those that OpenAI lacks (null: it lacks them too).
struct Dialect {
  std::string_view name;
  bool model = true;               // names the model
  bool count = true;               // several pictures a call
  bool response_format = false;    // has to be asked for base64
  bool quality_style = false;      // quality, and style where the row has styles
  bool output_format = false;      // output_format and output_compression
  bool background = false;         // transparency
  bool stream = false;             // previews
  bool edits = false;              // has /images/edits
  const char* negative = nullptr;
  const char* steps = nullptr;
  const char* guidance = nullptr;
  const char* seed = nullptr;
};

constexpr Dialect kDialects[] = {
    {.name = "gpt-image", .quality_style = true, .output_format = true, .background = true, .stream = true, .edits = true},
    {.name = "dall-e", .response_format = true, .quality_style = true},
    {.name = "sd-server", .model = false, .output_format = true, .edits = true},
    {.name = "localai", .response_format = true, .negative = "negative_prompt", .steps = "step"},
    {.name = "ollama", .count = false, .response_format = true},
    {.name = "vllm-omni", .negative = "negative_prompt", .steps = "num_inference_steps", .guidance = "guidance_scale", .seed = "seed"},
};

const Dialect& dialect_of(const ModelRow& row) {
  const auto it = std::find_if(std::begin(kDialects), std::end(kDialects), [&](const Dialect& d) { return d.name == row.dialect; });
  return it == std::end(kDialects) ? kDialects[0] : *it;
}

// What the row promises and the dialect has no word for; empty: nothing. Nothing that was asked for is left out in silence.
std::string missing_word(const Dialect& d, const ImageRequest& r) {
  if (r.count > 1 && !d.count) return "more than one picture a call";
  if (r.transparent && !d.background) return "a transparent background";
  if (r.previews > 0 && !d.stream) return "previews";
  if ((!r.init.empty() || !r.references.empty()) && !d.edits) return "pictures in the request";
  if (!r.negative.empty() && !d.negative) return "a negative prompt";
  if (r.steps && !d.steps) return "a number of steps";
  if (r.guidance && !d.guidance) return "a guidance scale";
  if (r.seed && !d.seed) return "a seed";
  if (r.strength) return "a strength";
  return "";
}

Json body_of(const ProviderCall& call, const Dialect& d) {
  const ImageRequest& r = call.request;
  Json body;
  if (d.model) body["model"] = call.row.wire_model;
  body["prompt"] = r.prompt;
  if (d.count) body["n"] = r.count;
  body["size"] = std::to_string(call.size.width_px) + "x" + std::to_string(call.size.height_px);
  if (d.response_format) body["response_format"] = "b64_json";
  if (d.quality_style && !r.quality.empty()) body["quality"] = call.row.can.qualities.at(r.quality);
  if (d.quality_style && !r.style.empty()) body["style"] = r.style;
  if (d.output_format) body["output_format"] = r.format;
  if (d.output_format && r.compression) body["output_compression"] = *r.compression;
  if (d.background && r.transparent) body["background"] = "transparent";
  if (d.stream && r.previews > 0) body["stream"] = true, body["partial_images"] = r.previews;
  if (d.negative && !r.negative.empty()) body[d.negative] = r.negative;
  if (d.steps && r.steps) body[d.steps] = *r.steps;
  if (d.guidance && r.guidance) body[d.guidance] = *r.guidance;
  if (d.seed && r.seed) body[d.seed] = *r.seed;
  return body;
}

// Ours is white where it is repainted; theirs is transparent there.
std::string wire_mask(const std::string& png) {
  const Image mask = decode_png(png, "the mask");
  Image out{.width = mask.width, .height = mask.height, .channels = 4, .pixels = {}};
  for (std::size_t i = 0; i < mask.pixels.size(); i += static_cast<std::size_t>(mask.channels))
    out.pixels.insert(out.pixels.end(), {0, 0, 0, static_cast<std::uint8_t>(255 - mask.pixels[i])});
  return encode_png(out, {});
}

HttpRequest edit_request(const ProviderCall& call, const Json& body) {
  const ImageRequest& r = call.request;
  std::vector<FormPart> parts;
  for (const auto& [key, value] : body.items()) parts.push_back({.name = key, .content = value.is_string() ? value.get<std::string>() : value.dump()});
  const auto add_picture = [&](const std::string& name, const std::string& bytes) {
    const auto header = picture_header(bytes);
    const std::string mime = header ? header->mime : "image/png";
    parts.push_back({.name = name, .content = bytes, .file = "picture." + mime.substr(6), .mime = mime});
  };
  if (!r.init.empty()) add_picture("image[]", r.init);
  for (const std::string& picture : r.references) add_picture("image[]", picture);
  if (!r.mask.empty()) add_picture("mask", wire_mask(r.mask));
  Form form = encode_form(parts);
  HttpRequest request = http_request(call, "POST", "/images/edits");
  request.headers = {{"Content-Type", form.content_type}};
  request.body = std::move(form.body);
  return request;
}

CallOutcome call_images(const ProviderCall& call) {
  const ImageRequest& r = call.request;
  const Dialect& dialect = dialect_of(call.row);
  if (const std::string word = missing_word(dialect, r); !word.empty())
    return {.failure = ProviderFailure{.failure = FailureClass::unsupported, .message = "the dialect '" + std::string(dialect.name) + "' of openai.images has no way to ask for " + word + "; correct the capabilities of model '" + call.row.id + "' in the catalogue"}};
  const Json body = body_of(call, dialect);
  HttpRequest request = r.init.empty() && r.references.empty() ? json_request(call, "/images/generations", body) : edit_request(call, body);
  if (!call.credential.empty()) request.secret = {"Authorization", "Bearer ", call.credential};
  if (r.previews == 0) return openai_answer(call.transport.send(request), call);

  OpenAiEvents events(call);
  ServerEvents reader([&](const ServerEvent& event) { events.take(event.name, event.data); });
  request.on_body = [&](std::string_view piece) { reader.feed(piece); };
  const HttpReply reply = call.transport.send(request);
  // A server that does not stream answers as always.
  if (reply.status != 200 || !reply.header("content-type").starts_with("text/event-stream")) return openai_answer(reply, call);
  if (reply.error == TransportError::none) reader.finish();
  return events.outcome(reply, reader.residue());
}

}  // namespace

ProviderEntry openai_images() {
  ProviderEntry entry{.name = "openai.images", .summary = "OpenAI's Images API and servers compatible with it", .dialects = {}, .call = call_images};
  for (const Dialect& d : kDialects) entry.dialects.emplace_back(d.name);
  return entry;
}

}  // namespace safelight
