#include "service/providers/attempt_json.h"

#include "common/base/fields.h"

namespace safelight {

template <class V> void fields(V& v, ProviderCost& c) { v("usd", c.usd), v("possible_usd", c.possible_usd), v("basis", c.basis); }

namespace {

// The words of the record, where it has enumerations.
struct FailureWords {
  std::string failure, acceptance;
  ProviderFailure rest;
};
struct AttemptWords {
  AttemptRecord rest;
  std::string acceptance;
  std::optional<FailureWords> failure;
};

template <class V> void fields(V& v, FailureWords& w) {
  ProviderFailure& f = w.rest;
  v("class", w.failure), v("message", f.message), v("acceptance", w.acceptance), v("http_status", f.http_status), v("vendor_code", f.vendor_code);
  v("request_id", f.request_id), v("retry_after_ms", f.retry_after_ms), v("final", f.final), v("successor", f.successor);
}

template <class V> void fields(V& v, AttemptWords& w) {
  AttemptRecord& a = w.rest;
  v("id", a.id), v("job", a.job), v("model", a.model), v("protocol", a.protocol), v("host", a.host), v("call", a.call), v("number", a.number), v("count", a.count);
  v("started_unix_ms", a.started_unix_ms), v("duration_ms", a.duration_ms), v("price_usd", a.price_usd), v("price_known", a.price_known), v("remote_id", a.remote_id);
  v("ended", a.ended), v("acceptance", w.acceptance), v("failure", w.failure), v("request_id", a.request_id), v("images", a.images), v("cost", a.cost), v("waited_ms", a.waited_ms);
}

Acceptance acceptance_of(const std::string& word, const std::string& where, std::vector<Problem>& problems) {
  for (const Acceptance a : {Acceptance::not_sent, Acceptance::rejected, Acceptance::unknown, Acceptance::accepted})
    if (word == name(a)) return a;
  problems.push_back({where, "is '" + word.substr(0, 40) + "'", "known: not_sent, rejected, unknown, accepted"});
  return Acceptance::unknown;
}

FailureClass class_of(const std::string& word, std::vector<Problem>& problems) {
  std::string known;
  for (const FailureTraits& t : failure_table()) {
    if (word == t.name) return t.failure;
    known += (known.empty() ? "" : ", ") + std::string(t.name);
  }
  problems.push_back({"failure.class", "is '" + word.substr(0, 40) + "'", "known: " + known});
  return FailureClass::caller_error;
}

}  // namespace

Json to_json(const AttemptRecord& attempt) {
  AttemptWords words{.rest = attempt, .acceptance = std::string(name(attempt.acceptance)), .failure = {}};
  if (const auto& f = attempt.failure) words.failure = FailureWords{std::string(name(f->failure)), std::string(name(f->acceptance)), *f};
  return fields_to_json(words);
}

AttemptRecord attempt_from_json(const Json& json) {
  AttemptWords words;
  std::vector<Problem> problems;
  fields_from_json(words, json, "", problems);
  words.rest.acceptance = acceptance_of(words.acceptance, "acceptance", problems);
  if (words.failure) {
    words.rest.failure = words.failure->rest;
    words.rest.failure->failure = class_of(words.failure->failure, problems);
    words.rest.failure->acceptance = acceptance_of(words.failure->acceptance, "failure.acceptance", problems);
  }
  require_no(problems, "attempt");
  return std::move(words.rest);
}

}  // namespace safelight
