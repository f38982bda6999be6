#include "insight/signatures/external.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace safelight {
namespace {

constexpr std::size_t kMostQueryWords = 8;
constexpr double kWordsWeight = 0.8;             // of the words in it; the rest is its place in the list

bool on_this_machine(const std::string& url) {
  for (const char* start : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    const std::size_t size = std::string(start).size();
    if (url.rfind(start, 0) == 0 && (url.size() == size || url[size] == ':' || url[size] == '/')) return true;
  }
  return false;
}

std::string small(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : static_cast<char>(c); });
  return text;
}

void add_words(const std::string& text, std::vector<std::string>& out) {
  std::string word;
  for (const char c : small(text) + " ") {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
      continue;
    }
    if (word.size() > 2 && std::find(out.begin(), out.end(), word) == out.end()) out.push_back(word);
    word.clear();
  }
}

// The findings in words of other people: cause and subsystem, and what the picture shows. Never the prompt.
std::vector<std::string> words_of(const Verdict& v) {
  std::vector<std::string> out;
  add_words(v.cause, out);
  add_words(v.subsystem, out);
  for (const Finding& f : v.findings) add_words(f.cause, out);
  for (const SymptomScore& s : v.scores)
    if (s.score > 0.5 && s.symptom != "overall" && s.symptom != "combination") add_words(s.symptom, out);
  out.resize(std::min(out.size(), kMostQueryWords));
  return out;
}

// Addresses that lead to the same page.
std::string address_key(const std::string& url) {
  std::string key = small(url.substr(url.find("://") + 3));
  if (key.rfind("www.", 0) == 0) key.erase(0, 4);
  if (const std::size_t query = key.find('?'); query != std::string::npos && (key.rfind("github.com/", 0) == 0 || key.compare(query, 5, "?utm_") == 0)) key.resize(query);
  while (!key.empty() && key.back() == '/') key.pop_back();
  return key;
}

void judge(ExternalHit& hit, const std::vector<std::string>& words, std::size_t place) {
  std::vector<std::string> title, excerpt;
  add_words(hit.title, title);
  add_words(hit.excerpt, excerpt);
  double share = 0;
  hit.words.clear();
  for (const std::string& w : words) {
    const bool in_title = std::find(title.begin(), title.end(), w) != title.end(), in_excerpt = std::find(excerpt.begin(), excerpt.end(), w) != excerpt.end();
    share += in_title ? 1 : in_excerpt ? 0.5 : 0;
    if (in_title || in_excerpt) hit.words.push_back(w);
  }
  hit.score = std::max(hit.score, kWordsWeight * share / static_cast<double>(words.size()) + (1 - kWordsWeight) / static_cast<double>(1 + place));
}

class Collection {
 public:
  explicit Collection(const SignatureLibrary& library) {
    for (const Signature& s : library.entries())
      for (const std::string& link : s.references) known_.emplace(address_key(link), s.id);
  }
  void add(const ExternalRow& row, const std::string& kind, const std::vector<std::string>& words, std::size_t place) {
    const std::string key = address_key(row.url);
    ExternalHit& hit = hits_[key];
    if (hit.url.empty()) {
      const auto known = known_.find(key);
      hit = {.title = row.title, .url = row.url, .excerpt = row.excerpt, .found_by = {}, .score = 0, .words = {}, .signature = known == known_.end() ? "" : known->second};
    }
    if (std::find(hit.found_by.begin(), hit.found_by.end(), kind) == hit.found_by.end()) hit.found_by.push_back(kind);
    judge(hit, words, place);
  }
  std::vector<ExternalHit> best(std::size_t limit) const {
    std::vector<ExternalHit> out;
    for (const auto& [key, hit] : hits_)
      if (!hit.words.empty()) out.push_back(hit);
    std::stable_sort(out.begin(), out.end(), [](const ExternalHit& a, const ExternalHit& b) { return a.score > b.score; });
    out.resize(std::min(out.size(), limit));
    return out;
  }

 private:
  std::map<std::string, std::string> known_;     // address -> signature
  std::map<std::string, ExternalHit> hits_;
};

}  // namespace

std::vector<LookupEndpoint> lookup_endpoints(const std::string& text, const std::string& github_token) {
  std::vector<LookupEndpoint> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size()), equals = text.find('=', at);
    const std::string one = text.substr(at, end - at);
    at = end + 1;
    LookupEndpoint e{one.substr(0, one.find('=')), equals < end ? clean_address(one.substr(one.find('=') + 1)) : "", ""};
    if ((e.kind != "searxng" && e.kind != "github") || e.url.empty())
      throw Error(ErrorCode::invalid_argument, "search endpoint '" + one.substr(0, 100) + "' is not understood; use searxng=http://HOST:PORT or github=https://api.github.com");
    while (e.url.back() == '/') e.url.pop_back();
    if (e.kind == "github" && !github_token.empty()) {
      if (e.url.rfind("https://", 0) != 0 && !on_this_machine(e.url)) throw Error(ErrorCode::invalid_argument, "a token is only sent over https; give github=https://...");
      e.token = github_token;
    }
    out.push_back(std::move(e));
  }
  return out;
}

ExternalLookup look_up(const Verdict& verdict, const SignatureLibrary& library, const std::vector<LookupEndpoint>& endpoints, const LookupHttp& http, std::size_t limit) {
  ExternalLookup out;
  const std::vector<std::string> words = verdict.healthy ? std::vector<std::string>{} : words_of(verdict);
  if (words.empty() || endpoints.empty()) return out;
  out.query = "stable diffusion";
  for (const std::string& w : words) out.query += " " + w;
  Collection found(library);
  for (const LookupEndpoint& e : endpoints) try {
      const std::vector<ExternalRow> rows = lookup_rows(e, http(lookup_request(e, out.query)));
      for (std::size_t place = 0; place < rows.size(); ++place) found.add(rows[place], e.kind, words, place);
    } catch (const std::exception& problem) {
      out.problems.push_back(e.kind + " at " + e.url + ": " + plain_line(problem.what(), 300));
    }
  out.hits = found.best(limit);
  return out;
}

Json to_json(const ExternalLookup& lookup) {
  Json hits = Json::array();
  for (const ExternalHit& h : lookup.hits)
    hits.push_back({{"origin", "external"}, {"title", h.title}, {"url", h.url}, {"excerpt", h.excerpt}, {"found_by", h.found_by}, {"score", h.score}, {"words", h.words}, {"signature", h.signature}});
  return {{"query", lookup.query}, {"hits", hits}, {"problems", lookup.problems}};
}

std::string lookup_text(const ExternalLookup& lookup) {
  std::string out;
  for (const ExternalHit& h : lookup.hits) {
    out += fmt::format("\noutside {} (score {:.2f}, not checked)\n        {}", h.title, h.score, h.url);
    if (!h.signature.empty()) out += "\n        also named by the known failure " + h.signature;
  }
  for (const std::string& p : lookup.problems) out += "\nnote    not looked up: " + p;
  return out.empty() ? out : out.substr(1);
}

}  // namespace safelight
