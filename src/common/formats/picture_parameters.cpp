#include "common/formats/picture_parameters.h"

#include <algorithm>
#include <charconv>

#include "common/base/error.h"
#include "common/base/json.h"

namespace safelight {

PictureDialect comfy_dialect();
PictureDialect webui_dialect();

const std::vector<PictureDialect>& picture_dialects() {
  static const std::vector<PictureDialect> table = {webui_dialect(), comfy_dialect()};
  return table;
}

std::optional<PictureParameters> picture_parameters(const PngText& text, const std::string& where) {
  for (const PictureDialect& d : picture_dialects()) {
    if (!d.claims(text)) continue;
    try {
      return d.read(text);
    } catch (const Error& e) {
      throw Error(ErrorCode::corrupt_file, where + ": its " + d.name + " cannot be read: " + e.what());
    }
  }
  return std::nullopt;
}

std::string as_utf8(const std::string& bytes) {
  try {
    (void)Json(bytes).dump();  // strict: throws for what is not UTF-8
    return bytes;
  } catch (const Json::exception&) {
  }
  std::string out;
  for (const unsigned char c : bytes) {
    if (c < 0x80) out += static_cast<char>(c);
    else out += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
  }
  return out;
}

namespace {

std::string shown(const std::string& text) { return "'" + text.substr(0, 60) + "'"; }

template <class T>
std::optional<T> number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

void set_number(const char* field, const std::string& text, double low, double high, PictureParameters& out) {
  const std::string key = field;
  const auto value = number<double>(text);
  if (!value || !(*value >= low && *value <= high)) return out.unknown.push_back(key + " is given as " + shown(text) + ", which cannot be used");
  GenerateRequest& r = out.request;
  if (key == "steps") r.steps = static_cast<int>(*value);
  else if (key == "guidance") r.guidance = *value;
  else if (key == "width") r.width = static_cast<int>(*value);
  else if (key == "height") r.height = static_cast<int>(*value);
  else if (key == "clip_skip") r.clip_skip = static_cast<int>(*value) - 1;  // elsewhere 1 means that no layer is left out
  else throw Error(ErrorCode::internal, "no number '" + key + "' in a request");
  out.known.push_back(key);
}

void set_seed(const std::string& text, PictureParameters& out) {
  const auto seed = number<std::uint64_t>(text);
  if (!seed) return out.unknown.push_back("the seed is given as " + shown(text) + ", which cannot be used");
  out.request.seed = *seed;
  out.known.push_back("seed");
}

void set_prompts(const std::string& prompt, const std::string& negative, PictureParameters& out) {
  if (prompt.size() > kMaxPromptBytes || negative.size() > kMaxPromptBytes)
    throw Error(ErrorCode::corrupt_file, "a prompt is longer than " + std::to_string(kMaxPromptBytes) + " bytes");
  out.request.prompt = as_utf8(prompt);
  out.request.negative = as_utf8(negative);
  out.known.push_back("prompt");
  if (!negative.empty()) out.known.push_back("negative");
}

void set_model(const std::string& text, PictureParameters& out) {
  std::string name = as_utf8(text.substr(text.find_last_of("/\\") + 1));
  for (const char* ending : {".safetensors", ".ckpt", ".gguf", ".pt", ".bin"})
    if (name.size() > std::string(ending).size() && name.ends_with(ending)) name.resize(name.size() - std::string(ending).size());
  if (name.empty() || name.size() > 200 || std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20; }) || name == "." || name == "..")
    return out.unknown.push_back("the model is given as " + shown(as_utf8(text)) + ", which cannot be used");
  out.request.model = name;
  out.known.push_back("model");
}

}  // namespace safelight
