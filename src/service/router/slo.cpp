#include "service/router/slo.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "common/base/error.h"
#include "common/base/fields.h"
#include "common/base/io.h"
#include "common/base/toml_read.h"
#include "service/router/ladder.h"

namespace safelight {

template <class V> void fields(V& v, SloLatency& s) { v("percentile", s.percentile), v("limit_ms", s.limit_ms), v("deadline_ms", s.deadline_ms); }
template <class V> void fields(V& v, SloCost& s) { v("per_image_usd", s.per_image_usd), v("per_day_usd", s.per_day_usd); }
template <class V> void fields(V& v, SloQuality& s) { v("floor", s.floor), v("unmeasured", s.unmeasured); }
template <class V> void fields(V& v, FailurePolicy& s) {
  v("accept", s.accept), v("refuse", s.refuse), v("others", s.others), v("shows_above", s.shows_above);
}
template <class V> void fields(V& v, SloErrorBudget& s) { v("answered", s.answered), v("period_days", s.period_days); }
template <class V> void fields(V& v, SloFallback& s) {
  v("attempts", s.attempts), v("on_refusal", s.on_refusal), v("after_ambiguous", s.after_ambiguous), v("successor", s.successor);
}
template <class V> void fields(V& v, SloModels& s) { v("only", s.only), v("never", s.never); }
template <class V> void fields(V& v, LadderStep& s) {
  v("rung", s.rung), v("when", s.when), v("share", s.share), v("model", s.model), v("upscaler", s.upscaler);
}
template <class V> void fields(V& v, Slo& s) {
  v("name", s.name), v("mode", s.mode), v("latency", s.latency), v("cost", s.cost), v("quality", s.quality), v("failures", s.failures);
  v("budget", s.budget), v("fallback", s.fallback), v("models", s.models), v("ladder", s.ladder);
}

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;
constexpr std::int64_t kLongest_ms = 24 * 3600 * 1000;
constexpr int kMostSteps = 16, kMostRungs = 16;
constexpr int kLongestPeriod_days = 90;
constexpr double kDearest_usd = 1e6;

class Checks {
 public:
  void range(const std::string& where, double value, double low, double high, const char* unit = "") {
    if (value >= low && value <= high) return;   // NaN fails
    std::ostringstream what, remedy;
    what << "is " << value;
    remedy << "use " << low << " to " << high << unit;
    problems.push_back({where, what.str(), remedy.str()});
  }
  void word(const std::string& where, const std::string& value, std::initializer_list<const char*> known) {
    if (std::any_of(known.begin(), known.end(), [&](const char* k) { return value == k; })) return;
    std::string names;
    for (const char* k : known) names += (names.empty() ? "" : ", ") + std::string(k);
    problems.push_back({where, "is '" + value.substr(0, 40) + "'", "known: " + names});
  }
  void modes(const std::string& where, const std::vector<std::string>& names) {
    for (const std::string& n : names)
      if (!is_failure_mode(n)) problems.push_back({where, "holds '" + n.substr(0, 40) + "'", "known: " + known_failure_modes()});
  }
  std::vector<Problem> problems;
};

void check_ladder(Checks& c, const Slo& slo) {
  if (slo.ladder.size() > kMostRungs) c.problems.push_back({"ladder", "has " + std::to_string(slo.ladder.size()) + " steps", "use at most 16"});
  for (std::size_t i = 0; i < slo.ladder.size(); ++i) {
    const LadderStep& s = slo.ladder[i];
    const std::string where = "ladder[" + std::to_string(i) + "]";
    const RungTraits* rung = find_rung(s.rung);
    if (!rung) c.problems.push_back({where + ".rung", "is '" + s.rung.substr(0, 40) + "'", "known: " + known_rungs()});
    if (rung && rung->needs_model == s.model.empty())
      c.problems.push_back({where + ".model", s.model.empty() ? "is missing" : "has no meaning for " + s.rung, rung->needs_model ? "name a row of the catalogue" : "leave it out"});
    for (const std::string& t : s.when) c.word(where + ".when", t, {kTriggers[0], kTriggers[1], kTriggers[2], kTriggers[3]});
    c.range(where + ".share", s.share, 0.05, 0.95);
    for (std::size_t k = 0; k < i; ++k)
      if (slo.ladder[k].rung == s.rung && slo.ladder[k].model == s.model && slo.ladder[k].share == s.share)
        c.problems.push_back({where, "repeats ladder[" + std::to_string(k) + "]", "leave one out"});
  }
}

}  // namespace

std::vector<Problem> check(const Slo& slo) {
  Checks c;
  if (slo.name.empty() || slo.name.size() > 100) c.problems.push_back({"name", slo.name.empty() ? "is missing" : "is too long", "use 1 to 100 bytes"});
  c.word("mode", slo.mode, {"fast", "faithful", "typography", "bulk", "cheapest"});
  c.range("latency.percentile", slo.latency.percentile, 0.5, 0.9999);
  c.range("latency.limit_ms", static_cast<double>(slo.latency.limit_ms), 1, kLongest_ms, " ms");
  if (slo.latency.deadline_ms != 0) c.range("latency.deadline_ms", static_cast<double>(slo.latency.deadline_ms), static_cast<double>(slo.latency.limit_ms), kLongest_ms, " ms");
  c.range("cost.per_image_usd", slo.cost.per_image_usd, 0, kDearest_usd, " USD");
  c.range("cost.per_day_usd", slo.cost.per_day_usd, 0, kDearest_usd, " USD");
  c.range("quality.floor", slo.quality.floor, 0, 1);
  c.word("quality.unmeasured", slo.quality.unmeasured, {"refuse", "allow"});
  c.modes("failures.accept", slo.failures.accept);
  c.modes("failures.refuse", slo.failures.refuse);
  for (const std::string& n : slo.failures.accept)
    if (std::find(slo.failures.refuse.begin(), slo.failures.refuse.end(), n) != slo.failures.refuse.end())
      c.problems.push_back({"failures", "both accept and refuse '" + n + "'", "leave one out"});
  c.word("failures.others", slo.failures.others, {"refuse", "accept"});
  c.range("failures.shows_above", slo.failures.shows_above, 0, 1);
  c.range("budget.answered", slo.budget.answered, 0.5, 0.99999);
  c.range("budget.period_days", slo.budget.period_days, 1, kLongestPeriod_days, " days");
  c.range("fallback.attempts", slo.fallback.attempts, 1, kMostSteps);
  c.word("fallback.after_ambiguous", slo.fallback.after_ambiguous, {"stop", "free", "any"});
  for (const std::string& id : slo.models.only)
    if (std::find(slo.models.never.begin(), slo.models.never.end(), id) != slo.models.never.end())
      c.problems.push_back({"models", "both only and never name '" + id + "'", "leave one out"});
  check_ladder(c, slo);
  return std::move(c.problems);
}

Slo parse_slo(std::string_view toml, const std::string& source) {
  const std::string where = "SLO '" + source + "'";
  Slo slo;
  std::vector<Problem> problems;
  fields_from_json(slo, json_of(parse_toml(toml, where), where), "", problems);
  const std::vector<Problem> impossible = check(slo);
  problems.insert(problems.end(), impossible.begin(), impossible.end());
  require_no(problems, where);
  return slo;
}

Slo read_slo(const std::filesystem::path& file) { return parse_slo(read_file(file, kMostBytes), file.string()); }

}  // namespace safelight
