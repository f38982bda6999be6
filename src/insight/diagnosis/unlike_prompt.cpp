#include "insight/diagnosis/unlike_prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "common/api/json.h"

namespace safelight {
namespace {

constexpr int kShams = 2;

struct Tried {
  Treatment treatment;
  Experiment::Outcome outcome;
  double together = 0;   // what the words help in its picture
};

// 0: the words explain the picture wholly; 1: not at all.
double unlike(double together) { return std::clamp(std::exp(-together), 0.0, 1.0); }

// Those of the words that explain least first, since there are more than the budget takes in long prompts; what concerns no word before them.
void least_read_first(std::vector<Treatment>& treatments, const Reading& reading) {
  const auto help = [&](const Treatment& t) {
    const int token = !t.change.tokens.empty() ? t.change.tokens.back().index : !t.change.attention.empty() ? t.change.attention.back().token : -1;
    for (const WordReading& w : reading.words)
      if (token >= w.token && token < w.token + w.tokens) return w.help;
    return -std::numeric_limits<double>::infinity();
  };
  std::stable_sort(treatments.begin(), treatments.end(), [&](const Treatment& a, const Treatment& b) { return help(a) < help(b); });
}

// The word that explains least, among those that say what should be seen.
const WordReading& least_read(const Reading& reading, const TraceReader& trace) {
  const std::vector<PromptWord> content = content_words(trace);
  const auto says_nothing = [&](const WordReading& w) { return std::none_of(content.begin(), content.end(), [&](const PromptWord& p) { return p.token >= w.token && p.token < w.token + w.tokens; }); };
  return *std::min_element(reading.words.begin(), reading.words.end(),
                           [&](const auto& a, const auto& b) { return std::pair(says_nothing(a), a.help) < std::pair(says_nothing(b), b.help); });
}

std::vector<Tried> try_all(const TraceReader& trace, Experiment& experiment, std::vector<Treatment> treatments, const DiagnoseProgress& progress) {
  std::vector<Tried> out;
  for (Treatment& t : treatments) {
    if (progress) progress("trying " + t.name, static_cast<double>(out.size()) / static_cast<double>(treatments.size()));
    Experiment::Outcome outcome = experiment.rerun(trace, t.change);
    const auto reading = experiment.read(TraceReader(outcome.run));
    out.push_back({std::move(t), std::move(outcome), reading ? reading->together() : 0});
  }
  return out;
}

// The same for noise that was turned until the latent moves about as far as under the change.
void add_shams(const TraceReader& trace, Experiment& experiment, const Interventions& own, const Tried& best, Counterfactual& c) {
  const double moved = latent_move(trace, TraceReader(best.outcome.run));
  for (int k = 0; k < kShams; ++k) {
    Interventions change = sham_of(own, std::isfinite(moved) ? std::clamp(moved, 0.05, 1.0) : 1.0);
    change.sham->seed = static_cast<std::uint64_t>(k) + 1;
    const auto outcome = experiment.rerun(trace, change);
    const auto reading = experiment.read(TraceReader(outcome.run));
    c.sham_runs.push_back(outcome.run.string());
    c.sham.push_back(unlike(reading ? reading->together() : 0));
  }
}

// A subsystem weighs as much as its best change helps, so that near ties show in the confidence.
void rank_by_help(const std::vector<Tried>& tried, double before, Verdict& v) {
  std::map<std::string, double> weight;
  double total = 0;
  for (const Tried& t : tried) weight[t.treatment.subsystem] = std::max(weight[t.treatment.subsystem], t.together - before);
  for (const char* s : kSubsystems) total += weight[s] += 1e-3;
  v.ranking.clear();
  for (const char* s : kSubsystems) v.ranking.push_back({s, weight[s] / total});
  std::stable_sort(v.ranking.begin(), v.ranking.end(), [](const auto& a, const auto& b) { return a.weight > b.weight; });
}

Counterfactual counterfactual_of(const Tried& t, const TraceReader& trace, double before) {
  const double ms = trace.run().value("total_ms", 0.0);
  Counterfactual c{.change = t.treatment.name, .subsystem = t.treatment.subsystem, .trigger = t.treatment.trigger, .interventions = t.treatment.change};
  c.runs = {t.outcome.run.string()};
  c.before = {unlike(before)};
  c.after = {unlike(t.together)};
  if (ms > 0) c.cost_ratio = t.outcome.ms / ms;
  return c;
}

void say(const Tried& best, const Counterfactual& c, const WordReading& word, double before, Verdict& v) {
  const CauseInfo& info = cause_info(best.treatment.cause);
  v.subsystem = best.treatment.subsystem;
  v.trigger = best.treatment.trigger;
  v.cause = best.treatment.cause;
  v.remedy = best.treatment.name + "; " + info.remedy;
  v.confidence = v.ranking.front().weight;
  v.sentence = fmt::format("The picture does not show all of the prompt: '{}' explains least of it ({:+.3f}). With {} on the same seed the words explain it better (together {:.2f} -> {:.2f}), "
                           "at {:.1f} times the time; {} changes of that size without a theory reach {:.2f} at best.",
                           word.word, word.help, best.treatment.name, before, best.together, c.cost_ratio, c.sham.size(), -std::log(*std::min_element(c.sham.begin(), c.sham.end())));
  v.findings.push_back({.detector = "unlike-prompt", .subsystem = v.subsystem, .cause = v.cause, .first_step = -1, .last_step = -1, .severity = best.together - before, .module = "",
                        .what = v.sentence, .evidence = {{.statistic = "reading." + word.word, .value = word.help, .low = {}, .high = {}, .step = -1,
                                                          .note = "share by which the model's estimate of its own picture gets worse without the word"}}});
}

}  // namespace

void explain_unlike_prompt(const TraceReader& trace, Experiment& experiment, const DiagnoseOptions& options, const DiagnoseProgress& progress, Verdict& v) {
  v.healthy = false;
  v.undetermined = true;
  v.confidence = 0.5;
  const auto reading = experiment.read(trace);
  if (!reading || reading->words.empty()) {
    v.sentence = "The picture is said not to show what was asked for, but this model cannot be asked what it reads in it.";
    return;
  }
  const Interventions own = interventions_from_json(trace.run().value("interventions", Json::object()));
  std::vector<Treatment> treatments = single_treatments(trace, own);
  least_read_first(treatments, *reading);
  const auto budget = static_cast<std::size_t>(std::max(0, options.counterfactuals - 1 - kShams));   // one went to the latent-difference check
  if (treatments.size() > budget) {
    treatments.resize(budget);
    v.notes.push_back("the budget of reruns did not reach every change");
  }
  const double before = reading->together();
  const std::vector<Tried> tried = try_all(trace, experiment, std::move(treatments), progress);
  rank_by_help(tried, before, v);
  for (const Tried& t : tried) v.counterfactuals.push_back(counterfactual_of(t, trace, before));
  const auto best = std::max_element(tried.begin(), tried.end(), [](const Tried& a, const Tried& b) { return a.together < b.together; });
  if (best == tried.end() || best->together <= before) {
    v.ranking.clear();
    v.sentence = fmt::format("The picture is said not to show what was asked for, but none of {} single changes makes the words explain it better: it may be what the model has learned.", tried.size());
    return;
  }
  Counterfactual& c = v.counterfactuals[static_cast<std::size_t>(best - tried.begin())];
  add_shams(trace, experiment, own, *best, c);
  v.undetermined = false;
  say(*best, c, least_read(*reading, trace), before, v);
  v.notes.push_back("what one seed shows is no proof: on other seeds the same prompt may come out right by itself");
}

}  // namespace safelight
