// The text form of AUTOMATIC1111's web interface, which stable-diffusion.cpp and Safelight write too: the prompt, a line
// "Negative prompt: ...", and a last line "Steps: 20, Sampler: Euler a, ...". Values with commas stand in quotes.
#include <map>

#include "common/base/error.h"
#include "common/formats/picture_parameters.h"

namespace safelight {
namespace {

using Settings = std::map<std::string, std::string>;
constexpr std::size_t kMostSettings = 500;
const char kKeyword[] = "parameters";

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "Key: value, Key: "quoted, value", ...". A repeated key keeps its first value.
Settings settings_of(const std::string& line) {
  Settings out;
  for (std::size_t at = 0; at < line.size() && out.size() < kMostSettings;) {
    const std::size_t colon = line.find(':', at);
    if (colon == std::string::npos) break;
    const std::string key = trimmed(line.substr(at, colon - at));
    std::size_t begin = line.find_first_not_of(' ', colon + 1);
    if (begin == std::string::npos) break;
    std::size_t end = begin;
    if (line[begin] == '"') {
      for (end = begin + 1; end < line.size() && line[end] != '"'; ++end) end += line[end] == '\\';
      end = std::min(end, line.size());
      out.emplace(key, line.substr(begin + 1, end - begin - 1));
      end = std::min(line.find(',', end), line.size());
    } else {
      end = std::min(line.find(',', begin), line.size());
      out.emplace(key, trimmed(line.substr(begin, end - begin)));
    }
    at = end + 1;
  }
  return out;
}

// Takes "<lora:name:0.8>" out of the prompt: it is an instruction of that interface, and its file is not in the picture.
std::string without_adapters(const std::string& prompt, PictureParameters& out) {
  std::string text = prompt;
  for (std::size_t begin = 0; (begin = text.find('<', begin)) != std::string::npos;) {
    const std::size_t end = text.find('>', begin);
    const bool adapter = text.compare(begin, 6, "<lora:") == 0 || text.compare(begin, 6, "<lyco:") == 0 || text.compare(begin, 10, "<hypernet:") == 0;
    if (!adapter || end == std::string::npos) {
      ++begin;
      continue;
    }
    out.unknown.push_back("the adapter " + as_utf8(text.substr(begin, std::min<std::size_t>(end - begin + 1, 80))) + " is named, but its file is not at hand");
    text.erase(begin, end - begin + 1);
  }
  return trimmed(text);
}

std::string tool_of(const Settings& s) {
  const auto version = s.find("Version");
  if (version == s.end()) return "AUTOMATIC1111";
  if (version->second == "safelight") return "Safelight";
  return version->second.rfind("stable-diffusion.cpp", 0) == 0 ? "stable-diffusion.cpp" : "AUTOMATIC1111";
}

void read_settings(const Settings& s, PictureParameters& out) {
  const auto value = [&](const char* key) {
    const auto found = s.find(key);
    return found == s.end() ? std::string() : found->second;
  };
  const auto number = [&](const char* key, const char* field, double low, double high) {
    if (s.count(key)) set_number(field, value(key), low, high, out);
    else out.unknown.push_back(std::string(field) + " is not stated");
  };
  number("Steps", "steps", 1, 1000);
  number("CFG scale", "guidance", 0, 100);
  if (s.count("Clip skip")) set_number("clip_skip", value("Clip skip"), 1, 12, out);
  if (s.count("Seed")) set_seed(value("Seed"), out);
  else out.unknown.push_back("the seed is not stated");
  const std::string size = value("Size");
  if (const std::size_t x = size.find('x'); x != std::string::npos) {
    set_number("width", size.substr(0, x), 8, kMaxSide_px, out);
    set_number("height", size.substr(x + 1), 8, kMaxSide_px, out);
  } else {
    out.unknown.push_back("the size is not stated");
  }
  if (s.count("Sampler")) translate_sampler(value("Sampler"), value("Schedule type"), out);
  else out.unknown.push_back("the sampler is not stated");
  if (s.count("Model")) set_model(value("Model"), out);
  else out.unknown.push_back(s.count("Model hash") ? "the model is given by its hash '" + as_utf8(value("Model hash").substr(0, 64)) + "' alone" : "the model is not stated");
}

void tell_what_is_missing(const Settings& s, PictureParameters& out) {
  const auto has = [&](const char* key) { return s.count(key) > 0; };
  if (has("Hires upscale") || has("Hires upscaler") || has("Hires resize")) out.unknown.push_back("the picture was made in two passes (hires fix); the settings are those of the first");
  else if (has("Denoising strength")) out.unknown.push_back("the picture was made from another picture, which is not in the file");
  if (has("Mask blur") || has("Masked content")) out.unknown.push_back("a part was repainted; the mask is not in the file");
  for (const char* key : {"VAE", "Refiner", "ControlNet 0", "ControlNet", "Variation seed", "RP Active", "Eta", "Guidance"})
    if (has(key)) out.unknown.push_back(std::string(key) + " was set to '" + as_utf8(s.at(key).substr(0, 60)) + "'; not translated");
  if (out.tool != "Safelight") out.unknown.push_back("a seed draws other noise in " + out.tool + " than here, so a rerun gives another picture of the same settings");
}

bool claims(const PngText& text) {
  const auto found = text.entries.find(kKeyword);
  return found != text.entries.end() && (found->second.rfind("Steps: ", 0) == 0 || found->second.find("\nSteps: ") != std::string::npos);
}

PictureParameters read(const PngText& png) {
  const std::string& text = png.entries.at(kKeyword);
  const std::size_t line = text.rfind("\nSteps: ");
  const std::size_t last = line == std::string::npos ? 0 : line + 1;
  std::string prompt = text.substr(0, last), negative;
  const std::string mark = "Negative prompt: ";
  std::size_t at = prompt.rfind(mark);
  while (at != std::string::npos && at > 0 && prompt[at - 1] != '\n') at = at < 1 ? std::string::npos : prompt.rfind(mark, at - 1);
  if (at != std::string::npos) {
    negative = trimmed(prompt.substr(at + mark.size()));
    prompt.resize(at);
  }
  const Settings settings = settings_of(text.substr(last, text.find('\n', last) - last));
  PictureParameters out;
  out.tool = tool_of(settings);
  set_prompts(without_adapters(trimmed(prompt), out), negative, out);
  read_settings(settings, out);
  tell_what_is_missing(settings, out);
  return out;
}

}  // namespace

PictureDialect webui_dialect() { return {"'parameters' text", claims, read}; }

}  // namespace safelight
