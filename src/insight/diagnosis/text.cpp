#include "insight/diagnosis/text.h"

#include <fmt/format.h>

namespace safelight {

std::string verdict_text(const Verdict& v) {
  std::string out = "verdict " + std::string(v.healthy ? "healthy" : v.undetermined ? "undetermined" : v.subsystem);
  if (!v.healthy && !v.undetermined) out += fmt::format(" (trigger {}, cause {}, confidence {:.2f})", v.trigger, v.cause, v.confidence);
  out += "\n        " + v.sentence;
  if (!v.remedy.empty()) out += "\nremedy  " + v.remedy;
  for (const SanityCheck& c : v.checks) {
    out += fmt::format("\ncheck   {:<18} {}", c.name, c.state);
    if (c.value) out += fmt::format("  {:.4g}", *c.value);
    if (c.low && c.high) out += fmt::format("  healthy {:.4g} to {:.4g}", *c.low, *c.high);
  }
  for (const std::string& n : v.notes) out += "\nnote    " + n;
  return out;
}

}  // namespace safelight
