// ComfyUI's graph: a JSON object of nodes, {"3": {"class_type": "KSampler", "inputs": {"seed": 1, "model": ["4", 0]}}}; an input
// is a value or a link [node, output]. Nodes are known by what their inputs are called, not by their class: extensions add
// hundreds of classes but keep the names.
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/formats/picture_parameters.h"

namespace safelight {
namespace {

using Names = std::set<std::string>;
constexpr std::size_t kMostNodes = 5'000, kMostPasses = 16;
constexpr std::size_t kLargestGraph = 8 << 20;  // bytes

// Python writes NaN where JSON has null; only outside strings.
std::string without_nan(const std::string& text) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\' && i + 1 < text.size()) out += text[i++];
    else if (text[i] == '"') quoted = !quoted;
    if (!quoted && text.compare(i, 3, "NaN") == 0) {
      out += "null";
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

class Graph {
 public:
  explicit Graph(const std::string& text) : nodes_(parse(text)) {
    for (const auto& [id, node] : nodes_.items())
      if (node.is_object() && node.contains("inputs") && node["inputs"].is_object()) inputs_[id] = &node["inputs"];
  }

  // The node nearest upstream of one of `starts` (themselves first) for which `is` holds, along inputs that `follow` allows; empty when none.
  // Every node is looked at once, so cycles end.
  std::string nearest(const Names& starts, const std::function<bool(const Json& inputs)>& is, const std::function<bool(const std::string&)>& follow) const {
    std::deque<std::string> queue(starts.begin(), starts.end());
    Names seen = starts;
    for (; !queue.empty(); queue.pop_front()) {
      const Json* in = inputs(queue.front());
      if (!in) continue;
      if (is(*in)) return queue.front();
      for (const auto& [name, value] : in->items())
        if (const std::string to = target(value); !to.empty() && follow(name) && seen.insert(to).second) queue.push_back(to);
    }
    return {};
  }

  // The first plain value called one of `keys`, upstream of `start`.
  std::string value(const std::string& start, const Names& keys, const std::function<bool(const std::string&)>& follow) const {
    std::string out;
    nearest({start}, [&](const Json& in) {
      for (const std::string& key : keys)
        if (const auto found = in.find(key); found != in.end() && (found->is_string() || found->is_number())) {
          out = found->is_string() ? found->get<std::string>() : found->dump();
          return true;
        }
      return false;
    }, follow);
    return out;
  }

  const Json* inputs(const std::string& id) const {
    const auto found = inputs_.find(id);
    return found == inputs_.end() ? nullptr : found->second;
  }
  // Where a link leads; empty for a value, or when there is no such node.
  std::string target(const Json& value) const {
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_number_integer()) return {};
    const auto id = value[0].get<std::string>();
    return inputs_.count(id) > 0 ? id : "";
  }
  std::string link(const std::string& id, const std::string& input) const {
    const Json* in = inputs(id);
    return in && in->contains(input) ? target((*in)[input]) : "";
  }
  Names where(const std::function<bool(const Json& inputs)>& is) const {
    Names out;
    for (const auto& [id, in] : inputs_)
      if (is(*in)) out.insert(id);
    return out;
  }

 private:
  static Json parse(const std::string& text) {
    if (text.size() > kLargestGraph) throw Error(ErrorCode::corrupt_file, "the graph is larger than 8 MiB");
    Json nodes = parse_json(without_nan(as_utf8(text)), "the graph");
    if (!nodes.is_object() || nodes.size() > kMostNodes) throw Error(ErrorCode::corrupt_file, "the graph must be an object of at most 5000 nodes");
    return nodes;
  }
  Json nodes_;
  std::map<std::string, const Json*> inputs_;  // of each node
};

bool is_sampler(const Json& in) { return in.contains("latent_image") && (in.contains("sampler_name") || in.contains("sampler")); }
bool along_pictures(const std::string& name) { return name == "images" || name == "image" || name == "samples" || name == "latent_image" || name == "upscale_model" || name == "pixels"; }
bool anywhere(const std::string&) { return true; }
std::function<bool(const std::string&)> along(Names names) {
  return [names = std::move(names)](const std::string& name) { return names.count(name) > 0; };
}
// Conditioning may pass through nodes that handle both prompts; do not cross to the other one.
std::function<bool(const std::string&)> without(const std::string& other) {
  return [other](const std::string& name) { return name != other && name != "clip" && name != "vae" && name != "model" && name != "image" && name != "control_net"; };
}

// The sampler that the saved picture comes from; passes upstream of it are counted, and the first of them is meant.
std::string first_sampler(const Graph& graph, PictureParameters& out) {
  std::string found = graph.nearest(graph.where([](const Json& in) { return in.contains("images"); }), is_sampler, along_pictures);
  if (const Names all = graph.where(is_sampler); found.empty() && !all.empty()) found = *all.begin();
  Names seen;
  while (!found.empty() && seen.size() < kMostPasses && seen.insert(found).second) {
    const std::string before = graph.link(found, "latent_image");
    const std::string earlier = before.empty() ? "" : graph.nearest({before}, is_sampler, along_pictures);
    if (earlier.empty() || seen.count(earlier)) break;
    found = earlier;
  }
  if (seen.size() > 1) out.unknown.push_back("the picture was made in " + std::to_string(seen.size()) + " sampling passes; the settings are those of the first");
  return found;
}

std::string prompt_of(const Graph& graph, const std::string& sampler, const std::string& side, const std::string& other) {
  const std::string holder = graph.nearest({sampler}, [&](const Json& in) { return in.contains(side) || (side == "positive" && in.contains("conditioning")); }, along({"guider", "cfg"}));
  if (holder.empty()) return {};
  std::string start = graph.link(holder, side);
  if (start.empty() && side == "positive") start = graph.link(holder, "conditioning");
  return start.empty() ? "" : graph.value(start, {"text", "text_g", "t5xxl", "value", "string", "prompt"}, without(other));
}

void read_model(const Graph& graph, const std::string& sampler, PictureParameters& out) {
  const auto chain = along({"model", "guider"});
  const std::string name = graph.value(sampler, {"ckpt_name", "unet_name", "model_name", "gguf_name"}, chain);
  if (name.empty()) out.unknown.push_back("the model is not stated");
  else set_model(name, out);
  graph.nearest({sampler}, [&](const Json& in) {
    if (in.contains("lora_name") && in["lora_name"].is_string())
      out.unknown.push_back("the adapter '" + in["lora_name"].get<std::string>().substr(0, 80) + "' is named, but its file is not at hand");
    return false;
  }, chain);
}

void read_start(const Graph& graph, const std::string& sampler, PictureParameters& out) {
  const std::string latent = graph.link(sampler, "latent_image");
  const std::string width = latent.empty() ? "" : graph.value(latent, {"width"}, anywhere), height = latent.empty() ? "" : graph.value(latent, {"height"}, anywhere);
  if (width.empty() || height.empty()) out.unknown.push_back("the size is not stated");
  else set_number("width", width, 8, kMaxSide_px, out), set_number("height", height, 8, kMaxSide_px, out);
  if (!latent.empty() && !graph.nearest({latent}, [](const Json& in) { return in.contains("pixels"); }, anywhere).empty())
    out.unknown.push_back("the picture was made from another picture, which is not in the file");
}

PictureParameters read(const PngText& png) {
  const Graph graph(png.entries.at("prompt"));
  PictureParameters out;
  out.tool = "ComfyUI";
  const std::string sampler = first_sampler(graph, out);
  if (sampler.empty()) throw Error(ErrorCode::corrupt_file, "no sampler node (one with latent_image and sampler_name) in the graph");
  set_prompts(prompt_of(graph, sampler, "positive", "negative"), prompt_of(graph, sampler, "negative", "positive"), out);
  const auto number = [&](const char* field, const Names& keys, const Names& links, double low, double high) {
    const std::string value = graph.value(sampler, keys, along(links));
    if (value.empty()) out.unknown.push_back(std::string(field) + " is not stated");
    else set_number(field, value, low, high, out);
  };
  number("steps", {"steps"}, {"sigmas", "steps"}, 1, 1000);
  number("guidance", {"cfg"}, {"guider", "cfg"}, 0, 100);
  set_seed(graph.value(sampler, {"seed", "noise_seed", "value"}, along({"noise", "seed", "noise_seed"})), out);
  translate_sampler(graph.value(sampler, {"sampler_name"}, along({"sampler", "sampler_name"})), graph.value(sampler, {"scheduler"}, along({"sigmas", "scheduler"})), out);
  read_model(graph, sampler, out);
  read_start(graph, sampler, out);
  out.unknown.push_back("a seed draws other noise in ComfyUI than here, so a rerun gives another picture of the same settings");
  return out;
}

bool claims(const PngText& text) {
  const auto found = text.entries.find("prompt");
  return found != text.entries.end() && found->second.find_first_not_of(" \t\r\n") != std::string::npos && found->second[found->second.find_first_not_of(" \t\r\n")] == '{';
}

}  // namespace

PictureDialect comfy_dialect() { return {"ComfyUI graph ('prompt' text)", claims, read}; }

}  // namespace safelight
