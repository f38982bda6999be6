#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "insight/comparison/parts.h"

namespace safelight {
namespace {

// The distance that a latent has from another picture's is about its own length; a band that reaches it excludes nothing.
constexpr double kAnotherPicture = 1.0;
constexpr int kSmallEditWords = 1;

std::vector<std::string> words_of(const TraceReader& run, const char* key) {
  const Json resolved = run.run().value("resolved", run.run().value("request", Json::object()));
  std::istringstream in(resolved.is_object() ? resolved.value(key, "") : "");
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

void count_words(const TraceReader& first, const TraceReader& second, const char* key, Sensitivity& s) {
  const auto a = words_of(first, key), b = words_of(second, key);
  for (const auto& [i, j] : aligned_words(a, b)) s.words_changed += i < 0 || j < 0 || a[static_cast<std::size_t>(i)] != b[static_cast<std::size_t>(j)];
  s.words += static_cast<int>(std::max(a.size(), b.size()));
}

bool starts_with(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

// Settings that change what the denoiser is told about the picture, and nothing else.
bool is_wording(const std::string& path) {
  return path == "resolved.prompt" || path == "resolved.negative" || starts_with(path, "request.prompt_") || starts_with(path, "request.negative_") ||
         starts_with(path, "interventions.tokens");
}

std::optional<double> own_edit(const TraceReader& run) {
  const Json verdict = run.run().value("verdict", Json());
  if (!verdict.is_object()) return std::nullopt;
  for (const Json& c : verdict.value("checks", Json::array()))
    if (c.is_object() && c.value("name", "") == "latent-difference" && c.contains("value") && c["value"].is_number()) return c["value"].get<double>();
  return std::nullopt;
}

// Why nothing can be said; empty when something can.
std::string obstacle(const Sensitivity& s) {
  if (s.edited.empty()) return "the runs were asked for the same";
  for (const std::string& path : s.edited)
    if (!is_wording(path)) return fmt::format("not the wording alone differs ({}), so the move says nothing about the conditioning", path);
  if (!s.move) return "the runs have no final latents of the same size";
  if (!s.high) return "the model has no baseline for a small edit (`safelight lab calibrate` makes one)";
  if (s.words_changed > kSmallEditWords) return fmt::format("{} of {} words differ, which is no small edit", s.words_changed, s.words);
  return "";
}

}  // namespace

Sensitivity sensitivity_of(const TraceReader& first, const TraceReader& second, const Comparison& c, const Baseline* baseline) {
  Sensitivity s;
  for (const ParameterDifference& d : c.parameters)
    if (!d.measured && !starts_with(d.path, "environment.") && d.path != "resolved.probes") s.edited.push_back(d.path);
  count_words(first, second, "prompt", s);
  count_words(first, second, "negative", s);
  s.move = c.final_distance;
  s.own_edit = own_edit(first);
  if (baseline && baseline->small_edit) s.low = baseline->small_edit->low, s.median = baseline->small_edit->median, s.high = baseline->small_edit->high;
  s.why = obstacle(s);
  if (!s.why.empty()) return s;
  const std::string moved = fmt::format("the edit moved the final latent by {:.2f} of its length; turning the noise by {} moves it by {:.2f} in the middle of healthy runs and up to {:.2f}",
                                        *s.move, kSmallEdit, *s.median, *s.high);
  if (*s.move > *s.high) {
    s.brittle = "yes";
    s.why = moved + "; that speaks against the conditioning where the edit should hardly have mattered";
  } else if (*s.move <= *s.median || *s.high < kAnotherPicture) {
    s.brittle = "no";
    s.why = moved;
  } else {
    s.why = moved + ", which is as far as another picture lies: the band excludes nothing";
  }
  return s;
}

}  // namespace safelight
