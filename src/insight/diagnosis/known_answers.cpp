#include "insight/diagnosis/known_answers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <sstream>
#include <stdexcept>

#include "common/measure/sketch.h"
#include "insight/diagnosis/experiment.h"

namespace safelight {
namespace {

// Equal builds repeat the bytes. Other machines, threads and kernels round differently, which stays far below the first; networks that run in
// half precision come near the second.
constexpr double kTolerance = 0.02, kHalfTolerance = 0.08;
// A difference grows from stage to stage. Once one is beyond tolerance, it is followed back to where it first stood out of the rounding.
constexpr double kOrigin = 1e-3;

std::vector<double> numbers(const TraceReader& run, const char* group, const char* key) {
  const Json& facts = run.run().contains("facts") ? run.run()["facts"] : run.run();
  if (!facts.contains(group) || !facts[group].contains(key) || !facts[group][key].is_array()) return {};
  std::vector<double> out;
  for (const Json& v : facts[group][key]) out.push_back(v.is_number() ? v.get<double>() : std::nan(""));
  return out;
}

void add(std::vector<Checkpoint>& out, Stage stage, int step, std::vector<double> values, std::string module = "") {
  if (!values.empty()) out.push_back({stage, step, std::move(module), std::move(values)});
}

std::vector<double> row(const TraceReader& run, const char* series, std::size_t step) {
  if (!run.has(series)) return {};
  const std::vector<double>& values = run.values(series)[step];
  const bool absent = std::all_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
  return absent ? std::vector<double>() : values;
}

std::vector<std::string> block_labels(const TraceReader& run) {
  for (const SeriesInfo& s : run.series())
    if (s.name == "activations.rms") return s.labels;
  return {};
}

void add_step(const TraceReader& run, const std::vector<std::string>& blocks, std::size_t step, std::vector<Checkpoint>& out) {
  const int at = static_cast<int>(step);
  if (step == 0) add(out, Stage::entered, at, row(run, "sketch.entered", step));
  const std::vector<double> rms = row(run, "activations.rms", step), kurtosis = row(run, "activations.kurtosis", step);
  for (std::size_t m = 0; m < std::min(rms.size(), kurtosis.size()); ++m) add(out, Stage::block, at, {rms[m], kurtosis[m]}, m < blocks.size() ? blocks[m] : std::to_string(m));
  std::vector<double> attention = row(run, "attention.logit_std", step);
  for (const char* series : {"attention.routing_entropy", "attention.special_share"})
    for (const double v : row(run, series, step)) attention.push_back(v);
  add(out, Stage::attention, at, attention);
  add(out, Stage::without, at, row(run, "sketch.without", step));
  add(out, Stage::with, at, row(run, "sketch.with", step));
  add(out, Stage::guided, at, row(run, "sketch.guided", step));
  add(out, Stage::left, at, row(run, "sketch.left", step));
  add(out, Stage::channels, at, row(run, "latents.noise_mean", step));
}

// Ids must be equal; statistics of a block are compared each for itself; the rest as vectors.
double distance_of(const Checkpoint& known, const Checkpoint& now) {
  if (known.values.size() != now.values.size()) return std::numeric_limits<double>::infinity();
  switch (known.stage) {
    case Stage::tokens: return known.values == now.values ? 0 : 1;
    case Stage::channels: return 0;   // what tells a moved channel from others; the sketches say whether anything moved
    case Stage::block: {
      double worst = 0;
      for (std::size_t i = 0; i < known.values.size(); ++i)
        worst = std::max(worst, relative_distance(std::span(now.values).subspan(i, 1), std::span(known.values).subspan(i, 1)));
      return worst;
    }
    default: return relative_distance(now.values, known.values);
  }
}

// The step at which two ladders of nodes part.
int first_other_node(const std::vector<double>& known, const std::vector<double>& now, double tolerance) {
  constexpr std::size_t kNumbers = 3;  // of a node
  for (std::size_t i = 0; i + kNumbers <= std::min(known.size(), now.size()); i += kNumbers)
    if (relative_distance(std::span(now).subspan(i, kNumbers), std::span(known).subspan(i, kNumbers)) > tolerance) return static_cast<int>(i / kNumbers);
  return static_cast<int>(std::min(known.size(), now.size()) / kNumbers);
}

const Checkpoint* find(const std::vector<Checkpoint>& all, Stage stage, int step) {
  const auto it = std::find_if(all.begin(), all.end(), [&](const Checkpoint& c) { return c.stage == stage && c.step == step; });
  return it == all.end() ? nullptr : &*it;
}

std::vector<double> minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) out[i] = a[i] - b[i];
  return out;
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void compare_guidance(const std::vector<Checkpoint>& known, const std::vector<Checkpoint>& now, int step, AnswerCheck& check) {
  const Checkpoint *w0 = find(known, Stage::with, step), *u0 = find(known, Stage::without, step), *w1 = find(now, Stage::with, step), *u1 = find(now, Stage::without, step);
  if (!w0 || !u0 || !w1 || !u1 || w0->values.size() != w1->values.size() || u0->values.size() != u1->values.size()) return;
  check.halves_swapped = relative_distance(w1->values, u0->values) < check.tolerance && relative_distance(u1->values, w0->values) < check.tolerance;
  const std::vector<double> before = minus(w0->values, u0->values), after = minus(w1->values, u1->values);
  const double size = product(before, before), factor = size > 0 ? product(after, before) / size : 1;
  std::vector<double> rest = after;
  for (std::size_t i = 0; i < rest.size(); ++i) rest[i] -= factor * before[i];
  constexpr double kElsewhere = 0.05;  // of the known delta
  const bool along = std::sqrt(product(rest, rest)) <= kElsewhere * std::max(1.0, std::abs(factor)) * std::sqrt(size);
  const bool alone = relative_distance(u1->values, u0->values) <= check.tolerance;
  check.delta_factor = along && (alone || std::abs(factor) < kElsewhere) ? factor : std::nan("");
}

// The channel of the estimate that moved by three times as much as every other.
int moved_channel(const std::vector<Checkpoint>& known, const std::vector<Checkpoint>& now, int step) {
  const Checkpoint *a = find(known, Stage::channels, step), *b = find(now, Stage::channels, step);
  if (!a || !b || a->values.size() != b->values.size() || a->values.size() < 2) return -1;
  std::vector<double> moved;
  for (std::size_t i = 0; i < a->values.size(); ++i) moved.push_back(std::abs(a->values[i] - b->values[i]));
  const auto most = std::max_element(moved.begin(), moved.end());
  for (auto it = moved.begin(); it != moved.end(); ++it)
    if (it != most && !(*it * 3 < *most)) return -1;
  return static_cast<int>(most - moved.begin());
}

double first_value(const Checkpoint* c) { return c && !c->values.empty() ? c->values.front() : std::nan(""); }

bool logits_differ(const std::vector<Checkpoint>& answers) {
  return std::any_of(answers.begin(), answers.end(), [](const Checkpoint& c) { return c.stage == Stage::attention && first_value(&c) > 1e-3; });
}

double rounded(double v) {
  if (!std::isfinite(v) || v == 0) return v;
  const double unit = std::pow(10.0, 5 - std::floor(std::log10(std::abs(v))));
  return std::round(v * unit) / unit;
}

Json checkpoints_to_json(const std::vector<Checkpoint>& all) {
  Json out = Json::array();
  for (const Checkpoint& c : all) {
    Json values = Json::array();
    for (const double v : c.values) values.push_back(rounded(v));
    out.push_back({name(c.stage), c.step, c.module, values});
  }
  return out;
}

constexpr std::array kStages = {"tokens", "text", "empty_text", "schedule", "entered", "block", "attention", "without", "with", "channels", "guided", "left", "latent", "decoded", "pixels"};

std::vector<Checkpoint> checkpoints_from_json(const Json& json) {
  std::vector<Checkpoint> out;
  for (const Json& c : json) {
    const auto stage = std::find(kStages.begin(), kStages.end(), c.at(0).get<std::string>());
    if (stage == kStages.end()) throw std::invalid_argument("a known answer has the unknown stage '" + c.at(0).get<std::string>() + "'");
    out.push_back({static_cast<Stage>(stage - kStages.begin()), c.at(1), c.at(2), {}});
    for (const Json& v : c.at(3)) out.back().values.push_back(v.is_number() ? v.get<double>() : std::nan(""));
  }
  return out;
}

}  // namespace

const char* name(Stage stage) { return kStages[static_cast<std::size_t>(stage)]; }

std::vector<Checkpoint> checkpoints_of(const TraceReader& run) {
  std::vector<Checkpoint> out;
  add(out, Stage::tokens, -1, numbers(run, "text", "ids"));
  add(out, Stage::text, -1, numbers(run, "text", "sketch"));
  add(out, Stage::empty_text, -1, numbers(run, "text", "sketch_empty"));
  std::vector<double> nodes;
  for (const NodeInfo& n : run.nodes()) nodes.insert(nodes.end(), {n.alpha, n.sigma, n.timestep / 1000});
  add(out, Stage::schedule, -1, nodes);
  const std::vector<std::string> blocks = block_labels(run);
  for (std::size_t step = 0; step < run.nodes().size(); ++step) add_step(run, blocks, step, out);
  add(out, Stage::latent, -1, numbers(run, "sketch", "latent"));
  add(out, Stage::decoded, -1, numbers(run, "sketch", "decoded"));
  add(out, Stage::pixels, -1, numbers(run, "sketch", "pixels"));
  return out;
}

GenerateRequest request_of(const KnownAnswer& answer) {
  GenerateRequest request;
  request.prompt = answer.prompt;
  request.seed = answer.seed;
  request.steps = answer.steps;
  request.probes = "full";
  return request;
}

Interventions attention_switched_off() {
  Interventions change;
  change.attention.push_back({.steps = {}, .factor = 0, .layers = "", .cross = true, .token = -1});
  return change;
}

KnownAnswer known_answer(const KnownAnswer& asked, const TraceReader& run, const TraceReader* run_without_attention) {
  KnownAnswer out = asked;
  out.nodes = run.nodes();
  out.with_attention = checkpoints_of(run);
  if (run_without_attention) out.without_attention = checkpoints_of(*run_without_attention);
  return out;
}

std::optional<Parting> first_parting(const std::vector<Checkpoint>& known, const std::vector<Checkpoint>& now, double tolerance) {
  for (std::size_t i = 0; i < known.size(); ++i) {
    const Checkpoint& k = known[i];
    const bool same = i < now.size() && now[i].stage == k.stage && now[i].step == k.step && now[i].module == k.module;
    const double distance = same ? distance_of(k, now[i]) : std::numeric_limits<double>::infinity();
    if (distance > tolerance) return Parting{k.stage, same && k.stage == Stage::schedule ? first_other_node(k.values, now[i].values, tolerance) : k.step, k.module, distance};
  }
  return std::nullopt;
}

AnswerCheck ask_known_answers(const TraceReader& trace, const std::vector<KnownAnswer>& known, Experiment& experiment) {
  const Json& resolved = trace.run().contains("resolved") ? trace.run()["resolved"] : trace.run();
  const double tolerance = resolved.value("dtype", std::string("float32")) == "float32" ? kTolerance : kHalfTolerance;
  AnswerCheck check{.asked = !known.empty(), .parted = {}, .tolerance = tolerance};
  for (const KnownAnswer& k : known) {
    const auto outcome = experiment.ask(trace, request_of(k), {});
    const std::vector<Checkpoint> now = checkpoints_of(TraceReader(outcome.run));
    check.parted = first_parting(k.with_attention, now, tolerance);
    if (!check.parted) continue;
    if (tolerance == kTolerance) {
      check.parted = first_parting(k.with_attention, now, kOrigin);
      check.tolerance = kOrigin;
    }
    check.run = outcome.run.string();
    const int step = check.parted->step;
    if (step >= 0 && step < static_cast<int>(k.nodes.size())) check.timestep = k.nodes[static_cast<std::size_t>(step)].timestep;
    compare_guidance(k.with_attention, now, step, check);
    check.channel = moved_channel(k.with_attention, now, step);
    check.spread = first_value(find(now, Stage::attention, step)) / first_value(find(k.with_attention, Stage::attention, step));
    if ((check.parted->stage == Stage::block || check.parted->stage == Stage::attention) && !k.without_attention.empty()) {
      const std::vector<Checkpoint> off = checkpoints_of(TraceReader(experiment.ask(trace, request_of(k), attention_switched_off()).run));
      check.through_attention = !first_parting(k.without_attention, off, tolerance) || logits_differ(off);
    }
    break;
  }
  return check;
}

std::vector<std::string> covering_prompts(const std::vector<std::string>& prompts, std::size_t count) {
  const auto words_of = [](const std::string& text) {
    std::istringstream in(text);
    return std::set<std::string>{std::istream_iterator<std::string>(in), {}};
  };
  std::vector<std::string> out;
  std::set<std::string> seen;
  const auto gain = [&](const std::string& prompt) {
    const std::set<std::string> words = words_of(prompt);
    return std::count_if(words.begin(), words.end(), [&](const std::string& w) { return !seen.contains(w); });
  };
  while (out.size() < count) {
    const auto best = std::max_element(prompts.begin(), prompts.end(), [&](const auto& a, const auto& b) { return gain(a) < gain(b); });
    if (best == prompts.end() || gain(*best) == 0) break;
    out.push_back(*best);
    seen.merge(words_of(*best));
  }
  return out;
}

Json to_json(const KnownAnswer& a) {
  Json nodes = Json::array();
  for (const NodeInfo& n : a.nodes) nodes.push_back({n.alpha, n.sigma, n.timestep});
  return {{"prompt", a.prompt}, {"seed", a.seed}, {"steps", a.steps}, {"nodes", nodes},
          {"with_attention", checkpoints_to_json(a.with_attention)}, {"without_attention", checkpoints_to_json(a.without_attention)}};
}

KnownAnswer known_answer_from_json(const Json& j) {
  KnownAnswer a{.prompt = j.at("prompt"), .seed = j.at("seed"), .steps = j.at("steps"), .nodes = {},
                .with_attention = checkpoints_from_json(j.at("with_attention")), .without_attention = checkpoints_from_json(j.at("without_attention"))};
  for (const Json& n : j.at("nodes")) a.nodes.push_back({n.at(0), n.at(1), n.at(2)});
  return a;
}

}  // namespace safelight
