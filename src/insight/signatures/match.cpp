#include "insight/signatures/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace safelight {
namespace {

constexpr double kLeastAgreement = 0.2;
constexpr double kSeenSymptom = 0.1;      // artifact scores up to this are healthy, see kHealthyScore
constexpr double kMostSeverity = 10;      // beyond it a finding weighs no more
constexpr double kUnseenStatistic = 1.0 / 3;  // findings hold few statistics, so one that is absent says little

std::string key_of(const Sign& s) { return s.kind + " " + s.name + " " + s.direction; }

// How telling each sign is: the logarithm of entries per entry that has it.
std::map<std::string, double> rarity(const SignatureLibrary& library) {
  std::map<std::string, double> out;
  for (const Signature& s : library.entries())
    for (const Sign& sign : s.signs) out[key_of(sign)] += 1;
  for (auto& [key, count] : out) count = std::log(1 + static_cast<double>(library.entries().size()) / count);
  return out;
}

bool names_statistic(const std::string& pattern, const std::string& statistic) {
  const std::size_t star = pattern.find('*');
  return star == std::string::npos ? statistic == pattern : statistic.compare(0, star, pattern, 0, star) == 0;
}

bool departs(const Evidence& e, const std::string& direction) {
  const bool above = e.high && e.value > *e.high, below = e.low && e.value < *e.low;
  if (direction == "above") return above;
  return direction == "below" ? below : above || below || !std::isfinite(e.value);
}

bool has_part(const std::string& module, const std::string& part) { return module.find(part) != std::string::npos; }

// The finding that shows a sign, and why; empty when it does not.
std::string seen_in(const Sign& sign, const Finding& f) {
  if (sign.kind == "cause" && f.cause == sign.name) return fmt::format("the cause {} was found ({:.3g} half widths off)", f.cause, f.severity);
  if (sign.kind == "module" && has_part(f.module, sign.name)) return "it starts in module " + f.module;
  if (sign.kind != "statistic") return {};
  for (const Evidence& e : f.evidence)
    if (names_statistic(sign.name, e.statistic) && departs(e, sign.direction))
      return fmt::format("{} is {:.4g}, healthy {} to {}", e.statistic, e.value, e.low ? fmt::format("{:.4g}", *e.low) : "any", e.high ? fmt::format("{:.4g}", *e.high) : "any");
  return {};
}

// Signs of the verdict as a whole.
std::string seen_in(const Sign& sign, const Verdict& v) {
  if (sign.kind == "trigger" && v.trigger == sign.name) return "it is triggered by " + v.trigger;
  if (sign.kind != "looks") return {};
  for (const SymptomScore& s : v.scores)
    if (s.symptom == sign.name && s.score > kSeenSymptom) return fmt::format("the {} score is {:.2f}", s.symptom, s.score);
  if (v.looks && v.looks->symptom == sign.name) return "a person sees it";
  return {};
}

bool concerns(const Signature& s, const Verdict& v) {
  const auto fits = [&](const std::string& subsystem) {
    return subsystem == s.subsystem || std::find(s.also.begin(), s.also.end(), subsystem) != s.also.end();
  };
  if (!v.subsystem.empty()) return fits(v.subsystem) || fits(v.trigger);
  return std::any_of(v.findings.begin(), v.findings.end(), [&](const Finding& f) { return fits(f.subsystem); });
}

// Of a finding's cause and evidence, the share for which the entry has a sign.
double accounted_share(const Signature& s, const Finding& f) {
  const auto any = [&](const auto& is) { return std::any_of(s.signs.begin(), s.signs.end(), is); };
  double accounted = any([&](const Sign& sign) { return sign.kind == "cause" && sign.name == f.cause; });
  for (const Evidence& e : f.evidence)
    accounted += any([&](const Sign& sign) { return sign.kind == "statistic" && names_statistic(sign.name, e.statistic) && departs(e, sign.direction); });
  return accounted / static_cast<double>(1 + f.evidence.size());
}

SignatureMatch compare(const Signature& s, const Verdict& v, const std::map<std::string, double>& weights) {
  SignatureMatch out{.signature = &s, .agreement = 0, .why = {}, .lacking = {}};
  double shown = 0, all = 0, explained = 0, severity = 0;
  bool solid = false;
  for (const Sign& sign : s.signs) {
    const double weight = weights.at(key_of(sign));
    std::string why = seen_in(sign, v);
    for (std::size_t i = 0; i < v.findings.size(); ++i)
      if (const std::string here = seen_in(sign, v.findings[i]); !here.empty()) {
        solid = true;
        if (why.empty()) why = here;
      }
    all += weight;
    if (why.empty() && sign.kind == "statistic") all -= (1 - kUnseenStatistic) * weight;
    if (why.empty()) {
      out.lacking.push_back(sign.kind + " " + sign.name + (sign.direction.empty() ? "" : " " + sign.direction));
    } else {
      shown += weight;
      out.why.push_back(why);
    }
  }
  for (std::size_t i = 0; i < v.findings.size(); ++i) {
    const double size = std::min(1 + v.findings[i].severity, kMostSeverity);
    severity += size;
    explained += size * accounted_share(s, v.findings[i]);
  }
  if (solid && explained > 0) out.agreement = 2 / (all / shown + severity / explained);
  return out;
}

}  // namespace

std::vector<SignatureMatch> match_signatures(const SignatureLibrary& library, const Verdict& v, std::size_t limit) {
  std::vector<SignatureMatch> out;
  if (v.healthy) return out;
  const auto weights = rarity(library);
  for (const Signature& s : library.entries())
    if (concerns(s, v))
      if (SignatureMatch m = compare(s, v, weights); m.agreement >= kLeastAgreement) out.push_back(std::move(m));
  std::stable_sort(out.begin(), out.end(), [](const SignatureMatch& a, const SignatureMatch& b) { return a.agreement > b.agreement; });
  out.resize(std::min(out.size(), limit));
  return out;
}

Json to_json(const SignatureMatch& m) {
  Json out = to_json(*m.signature);
  out["agreement"] = m.agreement;
  out["why"] = m.why;
  out["lacking"] = m.lacking;
  return out;
}

std::string match_text(const SignatureMatch& m) {
  std::string out = fmt::format("known   {} ({}, agreement {:.2f})", m.signature->title, m.signature->id, m.agreement);
  for (const std::string& line : m.why) out += "\n        because " + line;
  out += "\n        fix     " + m.signature->fix;
  for (const std::string& link : m.signature->references) out += "\n        " + link;
  return out;
}

}  // namespace safelight
