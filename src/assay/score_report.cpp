// The scores as JSON: what is published, in the order in which it should be read.
#include <algorithm>
#include <iterator>

#include "assay/confusion.h"
#include "assay/score.h"

namespace safelight {
namespace {

// A picture that changed by less than this, in mean gray levels of 255, hardly shows its fault.
constexpr double kVisible = 4;

Json to_json(const Rate& r) {
  return {{"right", r.right}, {"of", r.of}, {"share", r.share()}, {"low", r.low()}, {"high", r.high()}};
}

Json to_json(const Scores& s) {
  return {{"subsystem_top1", to_json(s.top1)}, {"subsystem_top2", to_json(s.top2)}, {"cause", to_json(s.cause)}, {"trigger", to_json(s.trigger)},
          {"stage", to_json(s.stage)}, {"module", to_json(s.module)}, {"step_within_one", to_json(s.step)}, {"false_alarms", to_json(s.false_alarms)},
          {"expected_calibration_error", s.calibration_error}, {"seconds_per_verdict", s.seconds}, {"reruns_per_verdict", s.reruns},
          {"seconds_per_right_verdict", s.seconds_per_right}};
}

Json to_json(const StrategyScores& s) {
  return {{"most_common_subsystem", to_json(s.most_common)}, {"fixed_thresholds", to_json(s.fixed_thresholds)},
          {"fixed_thresholds_false_alarms", to_json(s.fixed_false_alarms)}, {"blind_swapping", to_json(s.blind_swapping)},
          {"blind_swapping_false_alarms", to_json(s.blind_false_alarms)}, {"blind_swapping_reruns", s.blind_reruns}};
}

template <class Keep>
std::vector<AssayRecord> those(const std::vector<AssayRecord>& records, Keep keep) {
  std::vector<AssayRecord> out;
  std::copy_if(records.begin(), records.end(), std::back_inserter(out), keep);
  return out;
}

// Clean runs take part everywhere, since they belong to no kind of fault.
Json both_ways(const std::vector<AssayRecord>& records) {
  return {{"with_counterfactuals", to_json(score(records, &AssayRecord::proven))}, {"observed_only", to_json(score(records, &AssayRecord::observed))},
          {"strategies", to_json(score_strategies(records))}};
}

// What was said of it instead, most frequent first.
Json said_of(const std::vector<AssayRecord>& records) {
  std::vector<std::pair<std::string, int>> said;
  for (const AssayRecord& r : records) {
    auto it = std::find_if(said.begin(), said.end(), [&](const auto& s) { return s.first == r.proven.said; });
    if (it == said.end()) it = said.insert(said.end(), {r.proven.said, 0});
    ++it->second;
  }
  std::stable_sort(said.begin(), said.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  Json out = Json::object();
  for (const auto& [answer, n] : said) out[answer] = n;
  return out;
}

// Of the pictures that can be compared; null where none can, as when the fault changes their size.
Json mean_change(const std::vector<AssayRecord>& records) {
  double sum = 0;
  int compared = 0;
  for (const AssayRecord& r : records)
    if (r.pixel_change >= 0) sum += r.pixel_change, ++compared;
  return compared > 0 ? Json(sum / compared) : Json(nullptr);
}

Json per_fault(const std::vector<AssayRecord>& records) {
  Json out = Json::array();
  for (const FaultEntry& fault : fault_table()) {
    const auto own = those(records, [&](const AssayRecord& r) { return r.fault == fault.name; });
    if (own.empty()) continue;
    const Scores with = score(own, &AssayRecord::proven), without = score(own, &AssayRecord::observed);
    out.push_back({{"fault", fault.name}, {"subsystem", fault.truth.subsystem}, {"added_after_freeze", fault.added_after_freeze},
                   {"subsystem_top1", to_json(with.top1)}, {"observed_top1", to_json(without.top1)}, {"step_within_one", to_json(with.step)},
                   {"mean_pixel_change", mean_change(own)}, {"said", said_of(own)}});
  }
  return out;
}

Json per_clean_kind(const std::vector<AssayRecord>& records) {
  Json out = Json::object();
  for (const AssayRecord& r : records)
    if (r.clean() && !out.contains(r.clean_kind)) {
      const auto own = those(records, [&](const AssayRecord& other) { return other.clean() && other.clean_kind == r.clean_kind; });
      out[r.clean_kind] = {{"false_alarms", to_json(score(own, &AssayRecord::proven).false_alarms)}, {"said", said_of(own)}};
    }
  return out;
}

}  // namespace

Json score_report(const std::vector<AssayRecord>& records) {
  const auto held_out = those(records, [](const AssayRecord& r) { return r.clean() || r.added_after_freeze; });
  const auto visible = those(records, [](const AssayRecord& r) { return r.clean() || r.pixel_change < 0 || r.pixel_change >= kVisible; });
  const auto faulty = static_cast<int>(std::count_if(records.begin(), records.end(), [](const AssayRecord& r) { return !r.clean(); }));
  const auto failed = std::count_if(records.begin(), records.end(), [](const AssayRecord& r) { return !r.proven.failed.empty() || !r.observed.failed.empty(); });
  return {{"faulty_runs", faulty}, {"clean_runs", static_cast<int>(records.size()) - faulty}, {"diagnoses_that_failed", failed},
          {"held_out", both_ways(held_out)}, {"all", both_ways(records)},
          {"visible", {{"least_pixel_change", kVisible}, {"scores", both_ways(visible)}}},
          {"faults", per_fault(records)}, {"clean_kinds", per_clean_kind(records)},
          {"confusion", to_json(confusion_of(records, &AssayRecord::proven))}, {"confusion_observed", to_json(confusion_of(records, &AssayRecord::observed))}};
}

}  // namespace safelight
