#include "insight/diagnosis/text.h"

#include <fmt/format.h>

namespace safelight {

std::string verdict_text(const Verdict& v) {
  std::string out = "verdict " + std::string(v.healthy ? "healthy" : v.undetermined ? "undetermined" : v.subsystem);
  if (!v.healthy && !v.undetermined) out += fmt::format(" ({}trigger {}, cause {}, confidence {:.2f})", v.stage == "base" ? "" : "stage " + v.stage + ", ", v.trigger, v.cause, v.confidence);
  out += "\n        " + v.sentence;
  if (!v.remedy.empty()) out += "\nremedy  " + v.remedy;
  if (v.looks) {
    const SeenSymptom& l = *v.looks;
    out += fmt::format("\nlooks   {} in {},{},{},{}: {}", l.symptom, l.x, l.y, l.width, l.height, l.score ? fmt::format("score {:.2f} against {} pictures made as recommended", *l.score, l.references) : "not judged");
    for (const Evidence& e : l.evidence)
      out += fmt::format("\n        {:<22} {:.4g}{}", e.statistic, e.value, e.low && e.high ? fmt::format("  usual {:.4g} to {:.4g}", *e.low, *e.high) : "");
    for (const WordOverRegion& w : l.words) out += fmt::format("\n        '{}' reaches it {:.1f} times as much as other places", w.word, w.times);
  }
  for (const SanityCheck& c : v.checks) {
    out += fmt::format("\ncheck   {:<18} {}", c.name, c.state);
    if (c.value) out += fmt::format("  {:.4g}", *c.value);
    if (c.low && c.high) out += fmt::format("  healthy {:.4g} to {:.4g}", *c.low, *c.high);
  }
  for (const std::string& n : v.notes) out += "\nnote    " + n;
  return out;
}

}  // namespace safelight
