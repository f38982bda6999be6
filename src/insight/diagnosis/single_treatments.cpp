// Every usual change of one thing, for a picture that does not show what was asked for at settings that are as recommended.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "insight/diagnosis/treatments.h"

namespace safelight {
namespace {

struct Base {
  const TraceReader& trace;
  const Interventions& own;
  std::string text(const char* key) const { return trace.run()["resolved"].value(key, std::string()); }
};

Treatment shows(const char* subsystem, const char* cause, Treatment t) {
  t.subsystem = t.trigger = subsystem;
  t.cause = cause;
  return t;
}

Treatment made(const char* subsystem, const char* cause, std::string name, Interventions change) {
  return shows(subsystem, cause, {.name = std::move(name), .subsystem = "", .trigger = "", .cause = "", .change = std::move(change)});
}

void guidances(const Base& b, std::vector<Treatment>& out) {
  for (const double factor : {1.5, 2.0, 0.5})
    if (auto t = guidance_times(factor, b.trace, b.own)) out.push_back(shows("guidance", factor > 1 ? "guidance-weak" : "guidance-burn", std::move(*t)));
}

// More steps, and another way of taking as many: one solver of first and one of second order, whichever the run did not use.
void samplings(const Base& b, std::vector<Treatment>& out) {
  if (auto t = twice_the_steps(b.trace, b.own)) out.push_back(shows("scheduler", "too-few-steps", std::move(*t)));
  for (const char* solver : {"euler", "heun"}) {
    if (b.text("solver") == solver || b.text("solver").rfind("flow", 0) == 0) continue;
    Interventions change = b.own;
    change.scheduler = solver;
    out.push_back(made("scheduler", "too-few-steps", std::string("scheduler ") + solver, change));
  }
}

void routing(const Base& b, std::vector<Treatment>& out) {
  for (const double factor : {1.5, 0.7}) {
    Interventions change = b.own;
    change.attention.push_back({.steps = {}, .factor = factor, .layers = "", .cross = true, .token = -1});
    out.push_back(made("cross-attention", factor > 1 ? "attention-flat" : "attention-sharp", fmt::format("cross-attention logits times {:.3g}", factor), change));
  }
}

// Each word's own share of the routing, and its own strength as the text encoder gave it.
void words(const Base& b, std::vector<Treatment>& out) {
  for (const PromptWord& word : content_words(b.trace)) {
    Interventions change = b.own;
    for (int i = 0; i < word.tokens; ++i) change.attention.push_back({.steps = {}, .factor = kWordFactor, .layers = "", .cross = true, .token = word.token + i});
    out.push_back(made("cross-attention", "word-unplaced", fmt::format("attention to '{}' times {:.3g}", word.text, kWordFactor), change));
    change = b.own;
    for (int i = 0; i < word.tokens; ++i) change.tokens.push_back({.index = word.token + i, .action = "reweight", .replacement = "", .weight = kWordFactor});
    out.push_back(made("text-encoder", "word-weak", fmt::format("'{}' {:.3g} times as strong", word.text, kWordFactor), change));
  }
}

// Another precision is another computation only where there is one to leave.
void precision(const Base& b, std::vector<Treatment>& out) {
  if (b.trace.run().value("request", Json::object()).value("dtype", std::string("float32")) == "float32") return;
  Interventions change = b.own;
  change.decoder = DecoderChange{.kind = "float32", .path = ""};
  out.push_back(made("decoder", "decoder-mismatch", "float32 decode", change));
}

}  // namespace

std::vector<PromptWord> content_words(const TraceReader& trace) {
  constexpr std::array kFunctionWords = {"a", "an", "the", "and", "of", "is", "are", "there", "that", "with", ".", ",", "\""};
  std::vector<PromptWord> out;
  for (const SeriesInfo& s : trace.series()) {
    if (s.name != "attention.token_entropy") continue;
    for (std::size_t i = 0; i < s.labels.size(); ++i)
      if (std::find(kFunctionWords.begin(), kFunctionWords.end(), s.labels[i]) == kFunctionWords.end()) out.push_back({s.labels[i], static_cast<int>(i) + 1, 1});
  }
  return out;
}

std::vector<Treatment> single_treatments(const TraceReader& trace, const Interventions& own) {
  Interventions base = own;
  base.restart.reset();
  const Base b{trace, base};
  std::vector<Treatment> out;
  guidances(b, out);
  samplings(b, out);
  routing(b, out);
  words(b, out);
  precision(b, out);
  return out;
}

}  // namespace safelight
