#include "apps/cli/lab/natural_score.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "apps/cli/lab/eval_board.h"
#include "apps/cli/shard.h"
#include "assay/record.h"
#include "common/base/json_lines.h"

namespace safelight::app {
namespace {

bool holds(const std::vector<std::string>& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

// "attention to 'red' times 1.5" is a change of the kind "attention to a word times 1.5".
std::string kind_of(const std::string& change) {
  const auto open = change.find('\''), close = change.rfind('\'');
  return open == std::string::npos || close == open ? change : change.substr(0, open) + "a word" + change.substr(close + 1);
}

// Whether the sham that moved the latent about as far cures; shams are in a row from small to large.
bool sham_like(const NaturalCase& c, double moved) {
  const auto distance = [&](const NaturalTrial& s) { return std::abs(std::log(std::max(s.moved, 1e-6) / std::max(moved, 1e-6))); };
  const auto nearest = std::min_element(c.shams.begin(), c.shams.end(), [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
  return nearest != c.shams.end() && nearest->right;
}

struct Naming {
  Rate curable, first, first_two, healthy, undetermined, unasked;
  void add(const NaturalCase& c) {
    const std::vector<std::string> cures = c.cured_by();
    curable.add(!cures.empty());
    if (cures.empty()) return;
    first.add(holds(cures, c.said));
    const bool second = std::any_of(c.ranking.begin(), c.ranking.end(), [&](const std::string& s) { return holds(cures, s); });
    first_two.add(holds(cures, c.said) || (c.said != kHealthy && second));
    healthy.add(c.said == kHealthy);
    undetermined.add(c.said == kUndetermined);
    unasked.add(holds(cures, c.unasked));
  }
  Json json() const {
    return {{"curable", curable.json()}, {"named_first", first.json()}, {"named_first_two", first_two.json()}, {"healthy", healthy.json()}, {"undetermined", undetermined.json()},
            {"named_unasked", unasked.json()}};
  }
};

struct Effect {
  std::string subsystem;
  Rate cures, sham_cures, breaks;
};

std::map<std::string, Effect> effects_of(const std::vector<NaturalCase>& cases) {
  std::map<std::string, Effect> out;
  for (const NaturalCase& c : cases)
    for (const NaturalTrial& t : c.trials) {
      Effect& e = out[kind_of(t.change)];
      e.subsystem = t.subsystem;
      if (c.right) {
        e.breaks.add(!t.right);
      } else {
        e.cures.add(t.right);
        e.sham_cures.add(sham_like(c, t.moved));
      }
    }
  return out;
}

// What always naming one subsystem would score, the best of them in hindsight, and what naming a tried one by lot would.
Json simple_answers(const std::vector<NaturalCase>& wrong) {
  std::map<std::string, Rate> always;
  double by_lot = 0;
  int curable = 0;
  std::set<std::string> subsystems;
  for (const NaturalCase& c : wrong)
    for (const NaturalTrial& t : c.trials) subsystems.insert(t.subsystem);
  for (const NaturalCase& c : wrong) {
    const auto cures = c.cured_by();
    if (cures.empty()) continue;
    ++curable;
    by_lot += static_cast<double>(cures.size()) / static_cast<double>(subsystems.size());
    for (const std::string& s : subsystems) always[s].add(holds(cures, s));
  }
  Json out = {{"by_lot", curable > 0 ? Json(by_lot / curable) : Json(nullptr)}, {"always", Json::object()}, {"best", nullptr}};
  for (const auto& [subsystem, rate] : always) {
    out["always"][subsystem] = rate.json();
    if (out["best"].is_null() || rate.right > out["best"]["right"].get<int>()) {
      out["best"] = rate.json();
      out["best"]["subsystem"] = subsystem;
    }
  }
  return out;
}

std::string shown(const Json& rate) {
  if (rate.is_null()) return "-";
  return fmt::format("{:.3f} ({:.2f}-{:.2f}; {} of {})", rate["rate"].get<double>(), rate["low"].get<double>(), rate["high"].get<double>(), rate["right"].get<int>(), rate["of"].get<int>());
}

}  // namespace

std::vector<NaturalCase> stored_cases(const std::filesystem::path& out) {
  std::vector<NaturalCase> cases;
  for (const auto& file : shard_files(out, "cases-"))
    read_json_lines(file, [&](const Json& line, const std::string& where) { cases.push_back(natural_case_from_json(line, where)); });
  return cases;
}

Json natural_score(const std::vector<NaturalCase>& cases) {
  Naming all;
  std::map<std::string, Naming> tasks;
  Rate drawn_wrong, alarms;
  std::vector<NaturalCase> wrong, tested;
  std::map<std::string, int> said;
  double seconds = 0, reruns = 0;
  for (const NaturalCase& c : cases) {
    drawn_wrong.add(!c.right);
    if (!c.tested) continue;
    tested.push_back(c);
    if (c.right) {
      alarms.add(c.unasked != kHealthy);
      continue;
    }
    all.add(c);
    tasks[c.task].add(c);
    wrong.push_back(c);
    ++said[c.said];
    seconds += c.seconds;
    reruns += c.reruns;
  }
  const double n = std::max<double>(1, static_cast<double>(wrong.size()));
  Json out = {{"wrong_of_drawn", drawn_wrong.json()}, {"failures", wrong.size()}, {"all", all.json()}, {"tasks", Json::object()}, {"said", said}, {"simple", simple_answers(wrong)},
              {"false_alarms", alarms.json()}, {"changes", Json::array()}, {"seconds_per_verdict", seconds / n}, {"reruns_per_verdict", reruns / n}};
  for (const auto& [task, naming] : tasks) out["tasks"][task] = naming.json();
  for (const auto& [kind, e] : effects_of(tested))
    out["changes"].push_back({{"change", kind}, {"subsystem", e.subsystem}, {"cures", e.cures.json()}, {"sham_cures", e.sham_cures.json()}, {"breaks", e.breaks.json()}});
  return out;
}

std::vector<std::string> natural_text(const Json& s) {
  std::vector<std::string> out;
  const auto naming = [&](const std::string& name, const Json& n) {
    out.push_back(fmt::format("{:<12}{:<32}{:<32}{:<32}{:<32}{}", name, shown(n["curable"]), shown(n["named_first"]), shown(n["named_first_two"]), shown(n["healthy"]), shown(n["undetermined"])));
  };
  out.push_back(fmt::format("{} failures; wrong of all that were drawn: {}", s["failures"].get<int>(), shown(s["wrong_of_drawn"])));
  out.push_back(fmt::format("{:<12}{:<32}{:<32}{:<32}{:<32}{}", "", "a single change cures", "verdict names its subsystem", "among its first two", "says healthy", "says undetermined"));
  for (const auto& [task, n] : s["tasks"].items()) naming(task, n);
  naming("all", s["all"]);
  const Json& best = s["simple"]["best"];
  if (!best.is_null()) out.push_back(fmt::format("always naming {}: {}; by lot: {:.3f}", best["subsystem"].get<std::string>(), shown(best), s["simple"]["by_lot"].get<double>()));
  out.push_back("diagnosis that was told nothing names a subsystem that cures: " + shown(s["all"]["named_unasked"]));
  out.push_back("and raises a false alarm on right pictures: " + shown(s["false_alarms"]));
  out.push_back(fmt::format("a verdict took {:.2f} s and {:.1f} reruns", s["seconds_per_verdict"].get<double>(), s["reruns_per_verdict"].get<double>()));
  out.emplace_back();
  out.push_back(fmt::format("{:<36}{:<18}{:<32}{:<32}{}", "change", "subsystem", "cures a wrong picture", "a sham of its size does", "breaks a right picture"));
  for (const Json& c : s["changes"])
    out.push_back(fmt::format("{:<36}{:<18}{:<32}{:<32}{}", c["change"].get<std::string>(), c["subsystem"].get<std::string>(), shown(c["cures"]), shown(c["sham_cures"]), shown(c["breaks"])));
  return out;
}

}  // namespace safelight::app
