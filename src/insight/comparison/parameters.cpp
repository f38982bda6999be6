#include <algorithm>
#include <cmath>
#include <set>

#include "insight/comparison/parts.h"

namespace safelight {
namespace {

constexpr std::size_t kFewElements = 4;   // more differences within a list are told as one

const Json& member(const Json& object, const std::string& key) {
  static const Json none;
  const auto it = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && it != object.end() ? *it : none;
}

void collect(const Json& a, const Json& b, const std::string& path, std::vector<ParameterDifference>& out);

void collect_members(const Json& a, const Json& b, const std::string& path, std::vector<ParameterDifference>& out) {
  std::set<std::string> seen;
  for (const Json* side : {&a, &b})
    if (side->is_object())
      for (const auto& [key, unused] : side->items())
        if (seen.insert(key).second) collect(member(a, key), member(b, key), path.empty() ? key : path + "." + key, out);
}

void collect(const Json& a, const Json& b, const std::string& path, std::vector<ParameterDifference>& out) {
  if (a == b) return;
  const bool objects = a.is_object() || b.is_object();
  if (objects && (a.is_object() || a.is_null()) && (b.is_object() || b.is_null())) return collect_members(a, b, path, out);
  if (a.is_array() && b.is_array() && a.size() == b.size()) {
    std::vector<ParameterDifference> elements;
    for (std::size_t i = 0; i < a.size(); ++i) collect(a[i], b[i], path + "[" + std::to_string(i) + "]", elements);
    if (elements.size() <= kFewElements) {
      out.insert(out.end(), elements.begin(), elements.end());
      return;
    }
  }
  out.push_back({.path = path, .first = a, .second = b});
}

// Weight files by what they hold, not by where they lie: "unet/model.safetensors" -> SHA-256.
Json weights_of(const Json& run) {
  Json out = Json::object();
  for (const Json& w : member(run, "weights"))
    if (w.is_object()) {
      const std::string file = w.value("file", "");
      out[w.value("component", "") + "/" + file.substr(file.rfind('/') + 1)] = w.value("sha256", "");
    }
  return out;
}

// `resolved`: the runs got as far as having their settings resolved, and the request says the same once more, or leaves open what
// was resolved.
Json settings_of(const Json& run, bool resolved, bool same_weights) {
  Json request = member(run, "request"), settings = resolved ? member(run, "resolved") : Json(), interventions = member(run, "interventions");
  if (resolved && request.is_object()) {
    for (const char* key : {"model", "prompt", "negative", "width", "height", "steps", "guidance", "seed", "count", "dtype", "probes"}) request.erase(key);
    if (member(request, "scheduler").is_object())
      for (const char* key : {"solver", "spacing", "prediction"}) request["scheduler"].erase(key);
    settings.erase("directory");
    if (same_weights) settings.erase("model");
  }
  if (member(interventions, "restart").is_object()) interventions["restart"].erase("run");
  return {{"request", request}, {"resolved", settings}, {"interventions", interventions}, {"environment", member(run, "environment")}, {"weights", weights_of(run)}};
}

// How far apart two measured values are: 0..2 for numbers, 3 for anything else.
double apart(const ParameterDifference& d) {
  if (!d.first.is_number() || !d.second.is_number()) return 3;
  const double a = d.first.get<double>(), b = d.second.get<double>();
  return std::abs(a - b) / std::max({std::abs(a), std::abs(b), 1e-12});
}

}  // namespace

std::vector<ParameterDifference> parameter_differences(const Json& first, const Json& second) {
  const bool same_weights = weights_of(first) == weights_of(second) && !weights_of(first).empty();
  std::vector<ParameterDifference> out, measured;
  const bool resolved = member(first, "resolved").is_object() && member(second, "resolved").is_object();
  collect(settings_of(first, resolved, same_weights), settings_of(second, resolved, same_weights), "", out);
  collect(member(first, "facts"), member(second, "facts"), "facts", measured);
  std::stable_sort(measured.begin(), measured.end(), [](const auto& a, const auto& b) { return apart(a) > apart(b); });
  for (ParameterDifference& d : measured) {
    d.measured = true;
    out.push_back(std::move(d));
  }
  return out;
}

}  // namespace safelight
