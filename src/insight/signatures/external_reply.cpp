// The two protocols: SearXNG's JSON API (docs.searxng.org, search API) and GitHub's issue search (REST, 2022-11-28).
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "common/base/json_read.h"
#include "insight/signatures/external.h"

namespace safelight {
namespace {

constexpr std::size_t kMostRows = 50;

std::string percent_encoded(const std::string& text) {
  std::string out;
  for (const unsigned char c : text) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~') out += static_cast<char>(c);
    else out += fmt::format("%{:02X}", c);
  }
  return out;
}

std::string string_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string header(const LookupReply& reply, const char* name) {
  const auto found = reply.headers.find(name);
  if (found == reply.headers.end()) return {};
  std::string out = plain_line(found->second, 40);
  std::replace_if(out.begin(), out.end(), [](unsigned char c) { return c >= 0x80; }, '?');  // headers need not be UTF-8
  return out;
}

// Why a reply is of no use; empty when it is.
std::string refusal_of(const LookupEndpoint& e, const LookupReply& reply) {
  if (reply.status == 0) return "no answer: " + plain_line(reply.error, 200);
  if (reply.status == 200) return {};
  const std::string wait = header(reply, "retry-after"), reset = header(reply, "x-ratelimit-reset");
  const bool limited = reply.status == 429 || (reply.status == 403 && (!wait.empty() || header(reply, "x-ratelimit-remaining") == "0"));
  if (limited) return "its rate limit is reached" + (!wait.empty() ? "; it asks to wait " + wait + " s" : !reset.empty() ? "; free again at " + reset + " (seconds since 1970)" : "");
  if (reply.status == 403 && e.kind == "searxng") return "it refuses (403): its settings must list json under search.formats";
  if (reply.status == 401) return "it does not accept the token (401)";
  if (reply.status == 422) return "it does not accept the query (422)";
  return fmt::format("it answers with status {}", reply.status);
}

void append_character(std::string& out, unsigned char c) {
  if (c < 0x20 || c == 0x7f) c = ' ';
  if (c == ' ' && (out.empty() || out.back() == ' ')) return;
  out += static_cast<char>(c);
}

}  // namespace

LookupRequest lookup_request(const LookupEndpoint& e, const std::string& query) {
  LookupRequest out;
  out.headers = {{"User-Agent", "safelight/0.1"}};
  if (e.kind == "searxng") {
    out.url = e.url + "/search?q=" + percent_encoded(query) + "&format=json";
    out.headers.emplace_back("Accept", "application/json");
    return out;
  }
  out.url = e.url + "/search/issues?q=" + percent_encoded(query + " is:issue") + "&per_page=20";
  out.headers.emplace_back("Accept", "application/vnd.github+json");
  out.headers.emplace_back("X-GitHub-Api-Version", "2022-11-28");
  if (!e.token.empty()) out.headers.emplace_back("Authorization", "Bearer " + e.token);
  return out;
}

std::vector<ExternalRow> lookup_rows(const LookupEndpoint& e, const LookupReply& reply) {
  if (const std::string why = refusal_of(e, reply); !why.empty()) throw Error(ErrorCode::unavailable, why);
  const bool github = e.kind == "github";
  const Json json = parse_json(reply.body, "its answer");
  const char* list = github ? "items" : "results";
  if (!json.is_object() || !json.contains(list) || !json[list].is_array()) throw Error(ErrorCode::corrupt_file, std::string("its answer has no list '") + list + "'");
  std::vector<ExternalRow> out;
  for (const Json& row : json[list]) {
    if (!row.is_object() || out.size() == kMostRows) continue;
    ExternalRow r{plain_line(string_in(row, "title"), 200), clean_address(string_in(row, github ? "html_url" : "url")), plain_line(string_in(row, github ? "body" : "content"), 300)};
    if (!r.title.empty() && !r.url.empty()) out.push_back(std::move(r));
  }
  return out;
}

std::string plain_line(const std::string& text, std::size_t most) {
  static constexpr std::pair<const char*, char> kEntities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&nbsp;", ' '}};
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() <= most; ++i) {
    const bool tag = text[i] == '<' && i + 1 < text.size() && (std::isalpha(static_cast<unsigned char>(text[i + 1])) || text[i + 1] == '/' || text[i + 1] == '!');
    if (tag) {
      i = std::min(text.find('>', i), text.size());
      append_character(out, ' ');
      continue;
    }
    const auto* entity = std::find_if(std::begin(kEntities), std::end(kEntities), [&](const auto& k) { return text.compare(i, std::string_view(k.first).size(), k.first) == 0; });
    if (entity != std::end(kEntities)) {
      append_character(out, static_cast<unsigned char>(entity->second));
      i += std::string_view(entity->first).size() - 1;
    } else if (static_cast<unsigned char>(text[i]) == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      append_character(out, ' ');  // control characters beyond ASCII
      ++i;
    } else if (text.compare(i, 2, "\xE2\x80") == 0 || text.compare(i, 2, "\xE2\x81") == 0) {
      append_character(out, ' ');  // among them those that turn the direction of writing
      i += 2;
    } else {
      append_character(out, static_cast<unsigned char>(text[i]));
    }
  }
  if (out.size() > most) {
    out.resize(most);
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string clean_address(const std::string& url) {
  const std::size_t scheme = url.rfind("https://", 0) == 0 ? 8 : url.rfind("http://", 0) == 0 ? 7 : 0;
  if (scheme == 0 || url.size() > 1'000) return {};
  if (std::any_of(url.begin(), url.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' || c == '`'; })) return {};
  const std::string host = url.substr(scheme, url.find_first_of("/?#", scheme) - scheme);
  if (host.empty() || host.find('@') != std::string::npos) return {};
  return url.substr(0, url.find('#'));
}

}  // namespace safelight
