#include "apps/cli/typography_stage.h"

#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/formats/png.h"
#include "finish/typography/text_fix.h"
#include "finish/typography/text_metric.h"
#include "service/jobs/services.h"

namespace safelight::app {
namespace {

struct Settings {
  std::vector<std::string> texts;    // that every picture should show; empty: what the prompt quotes
  std::string limit = "contrast";    // of kFixLimits: how far a repair may go
  bool best_only = false;            // only the picture that reads best goes on
};

template <class V>
void fields(V& v, Settings& s) {
  v("texts", s.texts), v("limit", s.limit), v("best_only", s.best_only);
}

std::vector<Problem> check_settings(const Json& json) {
  Settings s;
  std::vector<Problem> problems;
  fields_from_json(s, json, "", problems);
  try {
    fix_limit_named(s.limit);
  } catch (const Error& e) {
    problems.push_back({"limit", "is '" + s.limit.substr(0, 40) + "'", e.what()});
  }
  for (const std::string& text : s.texts)
    if (collapse_blanks(text).empty()) problems.push_back({"texts", "holds an empty text", "give the words that the picture should show"});
  return problems;
}

Json fix_json(const TextFix& f) {
  return {{"expected", f.expected}, {"read_before", f.read_before}, {"read_after", f.read_after}, {"cer_before", f.cer_before}, {"cer_after", f.cer_after}, {"changed", f.changed}, {"method", f.method}, {"reason", f.reason}};
}

StageOutcome run(const StageCall& call) {
  const auto s = from_json<Settings>(call.spec.settings, "stage '" + call.spec.name + "'");
  const std::vector<std::string> texts = s.texts.empty() ? quoted_texts(call.prompt) : s.texts;
  StageOutcome out;
  out.facts = {{"texts", texts}, {"pictures", Json::array()}};
  if (texts.empty()) {   // nothing is intended: nothing changes
    out.outputs = call.inputs;
    return out;
  }
  TextReader reader;
  const Typesetter typesetter;
  double best = 2;
  for (const Picture& p : call.inputs) {
    if (p.mime != "image/png") {
      out.failure = "its type " + p.mime + " cannot be read here: ask for png";
      return out;
    }
    const Image image = decode_png(call.services.objects.get(p.object), "the picture to read");
    const FixedPicture fixed = fix_text(reader, typesetter, image, texts, {.limit = fix_limit_named(s.limit)});
    Json facts = {{"object", p.object}, {"fixes", Json::array()}};
    bool changed = false;
    double cer = 0;
    for (const TextFix& f : fixed.fixes) {
      facts["fixes"].push_back(fix_json(f));
      changed = changed || f.changed;
      cer += f.cer_after / static_cast<double>(fixed.fixes.size());
    }
    Picture made = p;
    if (changed) made.object = call.services.objects.put(encode_png(fixed.image, {}));
    facts["after"] = made.object;
    out.facts["pictures"].push_back(std::move(facts));
    if (s.best_only && cer >= best) continue;
    if (s.best_only) out.outputs.clear();
    best = std::min(best, cer);
    out.outputs.push_back(std::move(made));
  }
  if (out.outputs.empty()) out.failure = "there is no picture to read";
  return out;
}

}  // namespace

StageEntry stage_typography() {
  return {.name = "typography", .summary = "reads the text that was asked for and writes it anew where it is wrong", .in = Port::pictures, .out = Port::pictures, .check = check_settings, .run = run};
}

}  // namespace safelight::app
