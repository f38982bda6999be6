#include "service/providers/comfyui_workflow.h"

#include <map>
#include <set>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/base/sha256.h"

namespace safelight {
namespace {

// The plain text-to-image graph of a checkpoint, for rows without a workflow of their own.
constexpr std::string_view kPlainGraph = R"json({
  "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "{{model}}"}},
  "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{prompt}}", "clip": ["1", 1]}},
  "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{negative=}}", "clip": ["1", 1]}},
  "4": {"class_type": "EmptyLatentImage", "inputs": {"width": "{{width}}", "height": "{{height}}", "batch_size": "{{count}}"}},
  "5": {"class_type": "KSampler", "inputs": {"seed": "{{seed}}", "steps": "{{steps=20}}", "cfg": "{{guidance=7}}", "sampler_name": "euler", "scheduler": "normal",
        "denoise": 1.0, "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}},
  "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
  "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "safelight"}}
})json";

// A graph always has a seed; where none was asked for it is the attempt's own, so that an equal graph is not answered from a cache.
std::uint64_t seed_of(const ProviderCall& call) {
  return call.request.seed ? *call.request.seed : std::stoull(sha256_hex(call.attempt_id).substr(0, 12), nullptr, 16);
}

class Filling {
 public:
  explicit Filling(const ProviderCall& call) {
    const ImageRequest& r = call.request;
    values_ = {{"model", call.row.wire_model}, {"prompt", r.prompt}, {"width", call.size.width_px}, {"height", call.size.height_px}, {"count", r.count}, {"seed", seed_of(call)}};
    asked_ = {"prompt"};
    const auto ask = [&](const char* name, const Json& value) { values_[name] = value, asked_.insert(name); };
    if (!r.negative.empty()) ask("negative", r.negative);
    if (r.seed) ask("seed", *r.seed);
    if (r.steps) ask("steps", *r.steps);
    if (r.guidance) ask("guidance", *r.guidance);
    if (r.strength) ask("strength", *r.strength);
    if (r.count > 1) ask("count", r.count);
    if (r.width_px > 0) asked_.insert("width"), asked_.insert("height");
  }

  void fill(Json& node) {
    if (node.is_string()) node = filled(node.get<std::string>());
    else if (node.is_structured())
      for (Json& child : node) fill(child);
  }

  std::string missing() const {
    if (!unknown_.empty()) return "its workflow needs {{" + unknown_ + "}}, which nothing gives";
    for (const std::string& name : asked_)
      if (!used_.count(name)) return "its workflow has no place for {{" + name + "}}";
    return "";
  }

 private:
  // "NAME" or "NAME=DEFAULT".
  Json value_of(const std::string& inside) {
    const std::size_t equals = inside.find('=');
    const std::string name = inside.substr(0, equals);
    used_.insert(name);
    if (const auto it = values_.find(name); it != values_.end()) return it->second;
    if (equals == std::string::npos) return unknown_ = name.substr(0, 40), Json("");
    const std::string fallback = inside.substr(equals + 1);
    try {
      const Json number = parse_json(fallback, "default");
      if (number.is_number()) return number;
    } catch (const Error&) {  // a default that is no number is a text
    }
    return fallback;
  }

  Json filled(const std::string& text) {
    std::string out;
    for (std::size_t at = 0;;) {
      const std::size_t open = text.find("{{", at), close = open == std::string::npos ? open : text.find("}}", open);
      if (close == std::string::npos) return out + text.substr(at);
      const Json value = value_of(text.substr(open + 2, close - open - 2));
      if (open == 0 && close + 2 == text.size()) return value;
      out += text.substr(at, open - at) + (value.is_string() ? value.get<std::string>() : value.dump());
      at = close + 2;
    }
  }

  std::map<std::string, Json> values_;
  std::set<std::string> asked_, used_;
  std::string unknown_;
};

}  // namespace

Json comfyui_graph(const ProviderCall& call, std::string& missing) {
  const std::string& own = call.row.workflow;
  Json graph = parse_json(own.empty() ? kPlainGraph : std::string_view(own), "workflow of model '" + call.row.id + "'");
  Filling filling(call);
  filling.fill(graph);
  missing = filling.missing();
  return graph;
}

}  // namespace safelight
