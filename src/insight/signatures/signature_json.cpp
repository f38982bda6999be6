// Strict reading of signature files: entries come from users too.
#include <algorithm>
#include <iterator>

#include "common/api/verdict.h"
#include "common/base/fields.h"
#include "common/base/json_read.h"
#include "insight/diagnosis/diagnose.h"
#include "insight/signatures/signature.h"

namespace safelight {

template <class V>
void fields(V& v, Sign& s) {
  v("kind", s.kind), v("name", s.name), v("direction", s.direction);
}

template <class V>
void fields(V& v, Signature& s) {
  v("id", s.id), v("title", s.title), v("subsystem", s.subsystem), v("also", s.also), v("symptom", s.symptom), v("conditions", s.conditions);
  v("fix", s.fix), v("signs", s.signs), v("references", s.references);
}

namespace {

constexpr std::size_t kMostEntries = 5'000, kMostListed = 40, kLongestText = 2'000;  // per file; per entry; bytes

// Adds a problem unless `value` is one of `allowed`.
template <class List>
void require_one_of(const std::string& value, const List& allowed, const std::string& where, std::vector<Problem>& problems) {
  std::string names;
  for (const auto& a : allowed) {
    if (value == a) return;
    names += (names.empty() ? "" : ", ") + std::string(a);
  }
  problems.push_back({where, "is '" + value.substr(0, 40) + "'", "use one of: " + names});
}

void require_text(const std::string& value, bool needed, const std::string& where, std::vector<Problem>& problems) {
  if (needed && value.empty()) problems.push_back({where, "is missing", "write a line"});
  if (value.size() > kLongestText) problems.push_back({where, "is too long", "use at most 2000 bytes"});
  if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    problems.push_back({where, "holds control characters", "use plain text on one line"});
}

bool is_name(const std::string& text, std::string_view besides) {
  return !text.empty() && text.size() <= 80 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || besides.find(c) != std::string_view::npos;
  });
}

void check_sign(const Sign& s, const std::string& where, std::vector<Problem>& problems) {
  const bool statistic = s.kind == "statistic";
  require_one_of(s.kind, kSignKinds, where + ".kind", problems);
  if (s.kind == "cause") require_one_of(s.name, cause_names(), where + ".name", problems);
  if (s.kind == "looks") require_one_of(s.name, kLooks, where + ".name", problems);
  if (s.kind == "trigger") require_one_of(s.name, kSubsystems, where + ".name", problems);
  if (s.kind == "module" && !is_name(s.name, "_.-/")) problems.push_back({where + ".name", "is not a part of a module's name", "write it like 'vae'"});
  if (statistic && (!is_name(s.name, "_.*") || s.name.find('.') == std::string::npos))
    problems.push_back({where + ".name", "is not a statistic", "write group.name or group.*"});
  if (statistic) require_one_of(s.direction, kDirections, where + ".direction", problems);
  else if (!s.direction.empty()) problems.push_back({where + ".direction", "is only for statistics", "leave it out"});
}

std::vector<Problem> check(const Signature& s) {
  std::vector<Problem> problems;
  if (!is_name(s.id, "-")) problems.push_back({"id", "is '" + s.id.substr(0, 40) + "'", "use small letters, digits and '-', at most 80"});
  for (const auto& [name, value, needed] : {std::tuple{"title", &s.title, true}, {"symptom", &s.symptom, true}, {"fix", &s.fix, true}, {"conditions", &s.conditions, false}})
    require_text(*value, needed, name, problems);
  require_one_of(s.subsystem, kSubsystems, "subsystem", problems);
  for (const std::string& also : s.also) require_one_of(also, kSubsystems, "also", problems);
  if (s.signs.empty() || s.signs.size() > kMostListed) problems.push_back({"signs", "has " + std::to_string(s.signs.size()) + " entries", "use 1 to 40"});
  for (std::size_t i = 0; i < std::min(s.signs.size(), kMostListed); ++i) check_sign(s.signs[i], "signs[" + std::to_string(i) + "]", problems);
  if (s.references.size() > kMostListed) problems.push_back({"references", "is too long", "use at most 40"});
  for (const std::string& link : s.references) {
    require_text(link, true, "references", problems);
    if (link.rfind("https://", 0) != 0 || link.find_first_of(" \"<>") != std::string::npos)
      problems.push_back({"references", "holds '" + link.substr(0, 60) + "'", "use addresses that begin with https://"});
  }
  return problems;
}

}  // namespace

Json to_json(const Signature& s) {
  Json out = fields_to_json(s);
  for (Json& sign : out["signs"])
    if (sign["direction"].get_ref<const std::string&>().empty()) sign.erase("direction");
  out["origin"] = s.origin;
  return out;
}

std::vector<Signature> signatures_from_json(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  if (!json.is_object()) throw Error(ErrorCode::invalid_argument, where + ": is not an object; write {\"signatures\": [...]} or one entry");
  const bool many = json.contains("signatures");
  if (many && (json.size() != 1 || !json["signatures"].is_array() || json["signatures"].size() > kMostEntries))
    throw Error(ErrorCode::invalid_argument, where + ": 'signatures' must be the only key and a list of at most " + std::to_string(kMostEntries) + " entries");
  const Json entries = many ? json["signatures"] : Json::array({json});
  std::vector<Signature> out;
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string at = many ? "signatures[" + std::to_string(i) + "]" : "";
    out.emplace_back();
    const std::size_t before = problems.size();
    fields_from_json(out.back(), entries[i], at, problems);
    if (problems.size() > before) continue;
    for (Problem& p : check(out.back())) problems.push_back({at.empty() ? p.where : at + "." + p.where, p.what, p.remedy});
  }
  require_no(problems, where);
  return out;
}

}  // namespace safelight
