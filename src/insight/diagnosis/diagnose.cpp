#include "insight/diagnosis/diagnose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>

#include "common/api/json.h"
#include "insight/diagnosis/artifact.h"
#include "insight/diagnosis/complaint.h"
#include "insight/diagnosis/unlike_prompt.h"

namespace safelight {
namespace {

int pipeline_rank(const std::string& subsystem) {
  for (std::size_t i = 0; i < std::size(kSubsystems); ++i)
    if (subsystem == kSubsystems[i]) return static_cast<int>(i);
  return static_cast<int>(std::size(kSubsystems));
}

template <std::size_t N>
bool is_one_of(const std::string& value, const char* const (&names)[N]) {
  return std::any_of(std::begin(names), std::end(names), [&](const char* n) { return value == n; });
}

// What shows by itself: a contradiction between two places of one run, or a known request that is answered otherwise than at calibration.
bool is_proven(const Finding& f) {
  static constexpr const char* kContradictions[] = {"tokens-changed", "timestep-told", "latent-handoff", "latent-scale", "pixels-changed", "negative-repeats", "prediction-type", "non-finite"};
  return f.detector == "known-answers" || is_one_of(f.cause, kContradictions);
}

// Faults of a kind that need no bad picture to be faults.
bool stands_alone(const Finding& f, bool cleared) {
  static constexpr const char* kOfTheRequest[] = {"truncated", "unknown-words", "untrained-size", "guidance-weak"};
  return is_proven(f) || is_one_of(f.cause, kOfTheRequest) || (!cleared && f.cause.rfind("attention", 0) == 0);
}

// Deviations of a component; where it gave its known answers they follow from something else.
bool is_of_component(const Finding& f) {
  static constexpr const char* kComponents[] = {"attention-flat", "attention-sharp", "activation-band", "channel-drift", "decoder-mismatch"};
  return f.detector != "known-answers" && is_one_of(f.cause, kComponents);
}

// Effects follow causes: what comes first in time and in the pipeline is the suspect; a contradiction in the
// configuration or a value that is not finite explains everything after it. `cleared`: the model's parts gave their known answers.
void order(std::vector<Finding>& findings, bool cleared) {
  const auto key = [&](const Finding& f) {
    const int certain = f.cause == "prediction-type" ? 0 : f.cause == "latent-scale" ? 1 : f.cause == "non-finite" ? 2 : f.detector == "known-answers" ? 4 : is_proven(f) ? 3 : 5;
    const int late = f.cause == "shortcut" ? 3 : f.cause == "truncated" || f.cause == "unknown-words" ? 1 : cleared && is_of_component(f) ? 2 : 0;
    // A general fault of the estimate (guidance, steps) shows in block statistics and channels too; those go last.
    const int kind = f.cause == "activation-band" ? 2 : f.cause == "channel-drift" ? 1 : 0;
    const bool global = f.cause == "guidance-burn" || f.cause == "too-few-steps";
    return std::tuple(certain, late, f.first_step < 0 ? 1'000 : f.first_step, global ? 0 : 1, kind, pipeline_rank(f.subsystem), -f.severity);
  };
  std::stable_sort(findings.begin(), findings.end(), [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
}

// A run with shortcuts leaves the healthy bands by them: where anything does, they are suspects too, and the first where no setting of the run can be
// changed to explain it.
void suspect_shortcuts(std::vector<Finding>& suspects, const std::vector<Finding>& findings, const TraceReader& trace, const Interventions& own) {
  const auto is_shortcut = [](const Finding& f) { return f.cause == "shortcut"; };
  if (suspects.empty() || is_proven(suspects.front()) || std::any_of(suspects.begin(), suspects.end(), is_shortcut)) return;
  std::copy_if(findings.begin(), findings.end(), std::back_inserter(suspects), is_shortcut);
  if (treatments_for(suspects.front(), trace, own).empty()) std::stable_partition(suspects.begin(), suspects.end(), is_shortcut);
}

SanityCheck banded(const std::string& name, double value, const Band* band, double floor, const std::string& what) {
  SanityCheck c{.name = name, .value = {}, .low = {}, .high = {}, .state = "unknown", .what = what};
  if (!std::isfinite(value)) return c;
  c.value = value;
  if (!band) return c;
  constexpr double kMost = 0.5;   // deviation that still passes
  const Band passes = band->within(kMost, floor);
  c.low = passes.low;
  c.high = passes.high;
  c.state = value >= passes.low && value <= passes.high ? "pass" : "fail";
  return c;
}

std::vector<SanityCheck> three_checks(const TraceReader& trace, const Baseline* baseline, Experiment* experiment) {
  std::vector<SanityCheck> out;
  const DetectorInput in{trace, baseline};
  double spread = std::nan("");
  const Band* band = nullptr;
  const int middle = trace.steps_done() / 2;
  if (trace.has("attention.logit_std") && trace.steps_done() > 0) {
    const Departure d = departure(in, "attention.logit_std", Side::either, 0.5);
    const int step = d.found ? d.first_step : middle;
    spread = trace.scalar("attention.logit_std")[static_cast<std::size_t>(step)];
    if (baseline) band = baseline->band("attention.logit_std", 0, trace.nodes()[static_cast<std::size_t>(step)].timestep);
  }
  out.push_back(banded("attention", spread, band, 0.01, "spread of the cross-attention logits over the words"));
  double move = std::nan("");
  if (experiment && trace.run().value("status", std::string()) == "finished") {
    const Interventions own = interventions_from_json(trace.run().value("interventions", Json::object()));
    move = latent_move(trace, TraceReader(experiment->rerun(trace, sham_of(own, kSmallEdit)).run));
  }
  out.push_back(banded("latent-difference", move, baseline && baseline->small_edit ? &*baseline->small_edit : nullptr, 0.02,
                       fmt::format("move of the final latent when the initial noise is turned by {}; needs a rerun", kSmallEdit)));
  const auto fidelity = baseline ? baseline->facts.find("decoder.linear_psnr_db") : std::map<std::string, Band>::const_iterator{};
  const bool has = baseline && fidelity != baseline->facts.end();
  out.push_back(banded("decoder", fact(trace, "decoder", "linear_psnr_db"), has ? &fidelity->second : nullptr, 0.5,
                       "agreement of the decoded picture with the cheap decode, dB"));
  return out;
}

constexpr double kUnusualScore = 0.5;
constexpr double kProof = 40;   // weight of what is proven; what deviates has at most 10

void rank(Verdict& v, const std::vector<Finding>& suspects) {
  std::map<std::string, double> weight;
  double position = 1, total = 0;
  for (const Finding& f : suspects) {
    weight[f.subsystem] += position * (is_proven(f) ? kProof : std::min(1.0 + f.severity, 10.0));
    position *= is_proven(f) ? 0.1 : 0.5;
  }
  for (const Counterfactual& c : v.counterfactuals) {
    if (c.cures) weight[c.subsystem] += kProof;
    else weight[c.subsystem] *= 0.5;
  }
  for (const char* s : kSubsystems) total += weight[s] += 0.05;
  for (const char* s : kSubsystems) v.ranking.push_back({s, weight[s] / total});
  std::stable_sort(v.ranking.begin(), v.ranking.end(), [](const auto& a, const auto& b) { return a.weight > b.weight; });
}

double mean(const std::vector<double>& v) {
  double s = 0;
  for (const double x : v) s += x / static_cast<double>(v.size());
  return s;
}

std::string cost_text(double ratio) {
  return ratio > 0.9 && ratio < 1.1 ? "at the same cost" : fmt::format("at {:.1f} times the time", ratio);
}

std::string colour_text(const Counterfactual& c) {
  double both = 0, predicted = 1e-9, measured = 1e-9;
  for (std::size_t k = 0; k < 3; ++k) {
    both += c.predicted_shift[k] * c.measured_shift[k];
    predicted += c.predicted_shift[k] * c.predicted_shift[k];
    measured += c.measured_shift[k] * c.measured_shift[k];
  }
  const bool found = both > 0.7 * std::sqrt(predicted * measured) && measured > 0.04 * predicted;  // direction, and a fifth of the size
  const auto shift = [](const std::vector<double>& v) { return fmt::format("({:+.0f}, {:+.0f}, {:+.0f})", v[0], v[1], v[2]); };
  return fmt::format(" The latents predict a shift of the mean colour by {} of 255; the pixels show {}: the prediction is {}.", shift(c.predicted_shift),
                     shift(c.measured_shift), found ? "confirmed" : "not confirmed");
}

// `measure`: what the scores of the counterfactuals measure; up to `healthy` they are well.
void conclude(Verdict& v, const Finding& f, const TraceReader& trace, const std::string& measure, double healthy) {
  const CauseInfo& info = cause_info(f.cause);
  v.subsystem = f.subsystem;
  v.module = f.module;
  v.cause = f.cause;
  v.step = f.first_step;
  if (f.first_step >= 0 && f.first_step < trace.steps_done()) v.timestep = trace.nodes()[static_cast<std::size_t>(f.first_step)].timestep;
  v.trigger = *info.trigger ? info.trigger : f.subsystem;
  v.remedy = info.remedy;
  v.confidence = v.ranking.empty() ? 0.5 : v.ranking.front().weight;
  v.sentence = "It broke because " + f.what;
  if (v.timestep >= 0) v.sentence += fmt::format(" (begun at step {} of {}, timestep {:.0f})", f.first_step, trace.steps_done(), v.timestep);
  v.sentence += ".";
  for (const Counterfactual& c : v.counterfactuals) {
    if (c.predicted_shift.size() == 3) v.sentence += colour_text(c);
    if (c.cures)
      v.sentence += fmt::format(" With {} it is gone ({} {:.2f} -> {:.2f} over {} seeds, sham {:.2f}), {}.", c.change, measure, mean(c.before), mean(c.after), c.after.size(),
                                mean(c.sham), cost_text(c.cost_ratio));
    else if (mean(c.before) <= healthy)
      v.sentence += fmt::format(" The finished picture does not show it ({} {:.2f}), so no cure could be measured.", measure, mean(c.before));
    else
      v.sentence += fmt::format(" With {} it was not shown to be gone ({} {:.2f} -> {:.2f}, sham {:.2f}).", c.change, measure, mean(c.before), mean(c.after), mean(c.sham));
  }
}

// `usual`: what such runs came to at calibration, though nothing was wrong with them.
void conclude_nothing(Verdict& v, double score, bool cleared, double usual, bool has_baseline) {
  // A picture somewhat unlike those of calibration is no fault by itself where every part and every setting is as it should be.
  v.healthy = score <= std::max(cleared ? kUnusualScore : kHealthyScore, usual);
  v.undetermined = !v.healthy;
  if (!v.healthy) rank(v, v.findings);
  v.confidence = v.healthy && has_baseline ? 1 - score : 0.5;
  if (v.healthy && !has_baseline) v.sentence = "Nothing wrong was found among the faults that show without a baseline.";
  else if (v.healthy) v.sentence = fmt::format("Nothing is wrong: no statistic leaves its healthy band for long, and the artifact score is {:.2f}.", score);
  else v.sentence = fmt::format("The picture is outside its healthy range (artifact score {:.2f}), but no subsystem stands out.", score);
}

}  // namespace

Verdict diagnose(const TraceReader& trace, const Baseline* baseline, Experiment* experiment, const DiagnoseOptions& options,
                 const DiagnoseProgress& progress) {
  std::optional<Baseline> held_to;
  if (baseline && has_negative(trace)) baseline = &held_to.emplace(baseline->for_run(trace));
  Verdict v;
  Experiment* const reruns = options.counterfactuals > 0 ? experiment : nullptr;
  const Interventions own = interventions_from_json(trace.run().value("interventions", Json::object()));
  v.checks = three_checks(trace, baseline, reruns);
  // What was told to stop on the way has no finished picture to be judged.
  const bool stopped_early = trace.run().value("request", Json::object()).value("part", Json::object()).value("end", Json()).is_number();
  if (stopped_early) v.notes.push_back("the run was told to stop before its end: its picture is not judged");
  if (baseline && !stopped_early) v.scores = artifact_scores(trace, *baseline);
  if (!baseline) v.notes.push_back("the model has no baseline (`safelight lab calibrate` makes one); only faults that show without one were looked for");
  AnswerCheck answers;
  if (reruns && baseline) {
    if (progress) progress("asking the model what it answered when it was calibrated", 0);
    answers = ask_known_answers(trace, baseline->known_answers, *reruns);
    if (answers.asked && !answers.parted) v.notes.push_back("every part of the model still answers known requests as it did when it was calibrated");
  }
  v.findings = detect_all({trace, baseline, &answers});
  if (trace.run().value("status", std::string()) != "finished")
    v.notes.push_back("the run did not finish: " + trace.run().value("status", std::string("unknown")));
  const auto complaint = options.looks ? look(*options.looks, trace, reruns, progress, v) : std::nullopt;
  const bool seen = complaint && complaint->seen();
  const double score = overall(v.scores);
  const bool cleared = answers.asked && !answers.parted && own.empty();
  std::vector<Finding> suspects;
  for (const Finding& f : v.findings) {
    const bool explains = seen && can_cause(complaint->symptom(), f.subsystem);
    if (stands_alone(f, cleared) || ((score > kHealthyScore || explains) && f.severity >= 0.5) || (f.severity >= 4 && !(cleared && is_of_component(f)))) suspects.push_back(f);
  }
  order(suspects, cleared);
  suspect_shortcuts(suspects, v.findings, trace, own);
  if (seen)  // a person's eyes decide between what only deviates
    std::stable_partition(suspects.begin(), suspects.end(), [&](const Finding& f) { return is_proven(f) || can_cause(complaint->symptom(), f.subsystem); });
  // What is proven needs no other suspect to be tested.
  const bool proven = !suspects.empty() && is_proven(suspects.front());
  std::vector<Treatment> treatments;
  for (std::size_t i = proven ? 1 : 0; i < suspects.size(); ++i)
    for (Treatment& t : treatments_for(suspects[i], trace, own)) treatments.push_back(std::move(t));
  if (seen && !proven)
    for (const char* subsystem : complaint->symptom().subsystems)
      for (Treatment& t : usual_treatments(subsystem, trace, own)) treatments.push_back(std::move(t));
  std::stable_partition(treatments.begin(), treatments.end(), [](const Treatment& t) { return t.change.exact; });   // shortcuts are the first to go
  if (reruns && (baseline || seen)) {
    Judge judge{[&](const TraceReader& run) { return overall(artifact_scores(run, *baseline)); }, kHealthyScore};
    const int budget = std::max(0, options.counterfactuals - (complaint ? kReferences + 1 : 0));
    if (seen) judge = {[&](const TraceReader& run) { return run.image(0) ? complaint->score(*run.image(0)) : 1.0; }, kSeenScore};
    bisect(trace, judge, baseline ? baseline->channel_to_rgb : std::vector<std::vector<double>>{}, *reruns, treatments, budget, options, progress, v);
    for (const Counterfactual& c : v.counterfactuals) {
      const auto same = [&](const Finding& f) { return f.subsystem == c.subsystem; };
      if (!c.cures || std::any_of(suspects.begin(), suspects.end(), same)) continue;
      const auto t = std::find_if(treatments.begin(), treatments.end(), [&](const Treatment& x) { return x.name == c.change; });
      v.findings.push_back(cured_symptom(c, t->cause, *complaint));
      suspects.push_back(v.findings.back());
    }
  }
  if (suspects.empty()) {
    conclude_nothing(v, score, cleared, held_to ? held_to->score_with_negative : 0, baseline != nullptr);
    if (options.unlike_prompt && reruns) explain_unlike_prompt(trace, *reruns, options, progress, v);
    else if (options.unlike_prompt) v.notes.push_back("nothing could be rerun, so it was not looked into why the picture does not show what was asked for");
    if (!seen) return v;
    v.healthy = false;
    v.undetermined = true;
    v.confidence = 0.5;
    v.sentence = fmt::format("{} shows {} (score {:.2f}), but none of the {} changes that were tried takes it away: it may be this seed's alone, or what the model has learned.",
                             complaint->symptom().name, complaint->where(), *v.looks->score, v.counterfactuals.size());
    return v;
  }
  if (!reruns || !baseline) v.notes.push_back("nothing was rerun: the cause is observed, not proven");
  rank(v, suspects);
  const Finding* chosen = &suspects.front();
  for (const Counterfactual& c : v.counterfactuals)
    for (const Finding& f : suspects)
      if (c.cures && f.subsystem == c.subsystem) chosen = &f;
  conclude(v, *chosen, trace, seen ? complaint->symptom().name + std::string(" ") + complaint->where() : "artifact score", seen ? kSeenScore : kHealthyScore);
  for (const Counterfactual& c : v.counterfactuals)
    if (c.cures) v.trigger = c.trigger;
  return v;
}

Verdict refusal(const Error& e) {
  Verdict v;
  v.subsystem = "configuration";
  v.trigger = "configuration";
  v.cause = e.code() == ErrorCode::non_finite ? "non-finite" : e.code() == ErrorCode::corrupt_file ? "damaged-file" : std::string(name(e.code()));
  v.confidence = 1;
  v.sentence = std::string("Refused before it ran: ") + e.what();
  v.remedy = cause_info(v.cause).remedy;
  if (v.remedy.empty()) v.remedy = cause_info("damaged-file").remedy;
  const std::string what = e.what();
  for (const auto& [folder, subsystem] : {std::pair{"text_encoder/", "text-encoder"}, {"unet/", "denoiser"}, {"vae/", "decoder"}})
    if (what.find(folder) != std::string::npos) v.subsystem = subsystem;
  return v;
}

}  // namespace safelight
