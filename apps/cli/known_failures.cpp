#include "apps/cli/known_failures.h"

#include <fmt/format.h>

#include <cstdlib>

#include "apps/console/console.h"
#include "insight/signatures/search.h"

namespace safelight::app {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : ", ") + w;
  return out;
}

Json replaced_json(const SearchResult& result) {
  Json out = Json::array();
  for (const auto& [word, close] : result.replaced) out.push_back({{"word", word}, {"close", close}});
  return out;
}

void print_entry(const Signature& s) {
  print_line(fmt::format("{:<38} {:<16} {}", printable(s.id), s.subsystem, printable(s.title)));
}

int print_search(const SearchResult& result) {
  for (const auto& [word, close] : result.replaced)
    note(close.empty() ? fmt::format("no entry has '{}', nor a word close to it", printable(word)) : fmt::format("no entry has '{}'; searched for {}", printable(word), joined(close)));
  for (const SearchHit& hit : result.hits) {
    print_entry(*hit.signature);
    print_line("    " + printable(hit.signature->symptom));
    print_line("    fix: " + printable(hit.signature->fix));
    for (const std::string& link : hit.signature->references) print_line("    " + printable(link));
  }
  if (result.hits.empty()) note("nothing was found; `safelight list signatures` lists all");
  return 0;
}

}  // namespace

SignatureLibrary open_signatures(const std::string& directory) {
  const char* from_environment = std::getenv("SAFELIGHT_SIGNATURES");
  SignatureLibrary library(directory.empty() && from_environment ? from_environment : directory);
  for (const std::string& line : library.rejected()) note("left out: " + printable(line));
  return library;
}

std::vector<SignatureMatch> add_signatures(const SignatureLibrary& library, Verdict& verdict) {
  std::vector<SignatureMatch> matches = match_signatures(library, verdict);
  verdict.signatures.clear();
  for (const SignatureMatch& m : matches) verdict.signatures.push_back(m.signature->id);
  return matches;
}

Json matches_json(const std::vector<SignatureMatch>& matches) {
  Json out = Json::array();
  for (const SignatureMatch& m : matches) out.push_back(to_json(m));
  return out;
}

int list_signatures(const SignatureLibrary& library, const std::string& search, bool json) {
  Json rows = Json::array();
  if (search.empty()) {
    for (const Signature& s : library.entries()) {
      if (json) rows.push_back(to_json(s));
      else print_entry(s);
    }
    if (json) print_json({{"signatures", rows}, {"rejected", library.rejected()}});
    return 0;
  }
  const SearchResult result = SignatureSearch(library).find(search);
  if (!json) return print_search(result);
  for (const SearchHit& hit : result.hits) {
    rows.push_back(to_json(*hit.signature));
    rows.back()["score"] = hit.score;
    rows.back()["words_found"] = hit.words_found;
  }
  print_json({{"signatures", rows}, {"search", search}, {"replaced", replaced_json(result)}, {"rejected", library.rejected()}});
  return 0;
}

}  // namespace safelight::app
