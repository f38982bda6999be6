// One page, made by one command: does what the probes say predict what becomes of the picture?
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "apps/cli/lab/evidence_runs.h"
#include "apps/cli/svg_plot.h"
#include "apps/console/seed_option.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "engine/training/scenes/scene.h"
#include "insight/sweeps/intervals.h"

namespace safelight::app {
namespace {

struct Pair {
  int group = 0;    // pairs of one group (a scene) are not independent
  double x = 0, y = 0;
};

double correlation(const std::vector<Pair>& pairs) {
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (const Pair& p : pairs) mx += p.x / static_cast<double>(pairs.size()), my += p.y / static_cast<double>(pairs.size());
  for (const Pair& p : pairs) xx += (p.x - mx) * (p.x - mx), yy += (p.y - my) * (p.y - my), xy += (p.x - mx) * (p.y - my);
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : std::nan("");
}

// Pearson's correlation with a percentile bootstrap (Efron 1979) that draws whole groups, with a fixed seed.
Interval grouped_correlation(const std::vector<Pair>& pairs) {
  constexpr int kDraws = 1000;
  std::map<int, std::vector<Pair>> groups;
  for (const Pair& p : pairs) groups[p.group].push_back(p);
  std::vector<const std::vector<Pair>*> all;
  for (const auto& [number, group] : groups) all.push_back(&group);
  Interval out{.value = correlation(pairs)};
  if (all.size() < 3) return out;
  std::vector<double> draws;
  for (int d = 0; d < kDraws; ++d) {
    SceneRandom random(0xE71, static_cast<std::uint64_t>(d));
    std::vector<Pair> drawn;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto& group = *all[static_cast<std::size_t>(random.below(static_cast<int>(all.size())))];
      drawn.insert(drawn.end(), group.begin(), group.end());
    }
    if (const double r = correlation(drawn); std::isfinite(r)) draws.push_back(r);
  }
  std::sort(draws.begin(), draws.end());
  if (draws.empty()) return out;
  out.low = draws[static_cast<std::size_t>(0.025 * static_cast<double>(draws.size() - 1))];
  out.high = draws[static_cast<std::size_t>(0.975 * static_cast<double>(draws.size() - 1))];
  return out;
}

std::string said(const Interval& i) {
  if (!std::isfinite(i.value)) return "none that could be measured";
  if (!std::isfinite(i.low)) return fmt::format("{:.2f} (too few scenes for an interval)", i.value);
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", i.value, i.low, i.high);
}

struct Section {
  Json json;
  std::string text;                                        // Markdown
  std::vector<std::pair<std::string, std::string>> files;  // name and SVG
};

// Nouns whose attention does not lie on their masks when nothing is done to it have nothing to lose.
constexpr double kLeastHeld = 0.1;

Section collapse_section(const std::vector<CollapsePoint>& points) {
  std::vector<Pair> all, pairs;
  std::set<int> routed, scenes;
  PlotLine line{.name = "one run", .points = {}};
  for (const CollapsePoint& p : points) {
    all.push_back({p.scene, p.entropy_spike, p.agreement_lost});
    scenes.insert(p.scene);
    if (p.held < kLeastHeld) continue;
    routed.insert(p.scene);
    pairs.push_back({p.scene, p.entropy_spike, p.agreement_lost / p.held});
    line.points.push_back({.place = 0, .value = p.agreement_lost / p.held, .interval = {}, .x = p.entropy_spike});
  }
  const Interval r = grouped_correlation(pairs), r_all = grouped_correlation(all);
  const Plot plot{.title = "Part of the nouns' agreement with their masks that was lost (1: all)", .x_title = "rise of routing entropy (0..1)", .places = {}, .to_scale = true, .connected = false, .lines = {line}};
  Section s{.json = {{"runs", pairs.size()}, {"scenes", scenes.size()}, {"scenes_with_routing", routed.size()}, {"correlation", to_json(r)}, {"correlation_of_all", to_json(r_all)}, {"points", Json::array()}}, .text = {}, .files = {{"routing-collapse.svg", svg_plot(plot)}}};
  for (const CollapsePoint& p : points) s.json["points"].push_back({{"scene", p.scene}, {"factor", p.factor}, {"entropy_spike", p.entropy_spike}, {"held", p.held}, {"agreement_lost", p.agreement_lost}});
  s.text = fmt::format("## Entropy that rises on the way means that routing collapsed\n\nRuns start from rendered scenes (image to image, strength 0.8), so that the renderer's masks are the truth. From a third of the "
                       "way on the logits of every cross-attention layer are multiplied by 0.7 down to 0. Agreement is the share of the nouns' attention that falls on their masks, above what attention alike everywhere "
                       "would have there (the order of places alone, which intersection over union sees, survives a flattening). In {} of {} scenes there is some to lose, {} or more; there the rise of routing entropy "
                       "predicts which part of it is lost: correlation {}, {} runs, 95 % interval by a bootstrap over scenes. With the scenes that have none, and the loss not as a part: {}.\n\n"
                       "![Agreement lost against entropy](routing-collapse.svg)\n\n", routed.size(), scenes.size(), kLeastHeld, said(r), pairs.size(), said(r_all));
  return s;
}

Section push_section(const std::vector<PushPoint>& points) {
  std::vector<Pair> components;
  PlotLine line{.name = "one colour of one run", .points = {}};
  double product = 0, square = 1e-12;
  int negative = 0, aligned = 0;
  for (const PushPoint& p : points) {
    negative += p.drift_db < 0;
    double both = 0, predicted = 0, measured = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      components.push_back({p.scene, p.predicted[k], p.measured[k]});
      line.points.push_back({.place = 0, .value = p.measured[k], .interval = {}, .x = p.predicted[k]});
      both += p.predicted[k] * p.measured[k], predicted += p.predicted[k] * p.predicted[k], measured += p.measured[k] * p.measured[k];
    }
    product += both, square += predicted;
    aligned += both > 0.9 * std::sqrt(predicted * measured);
  }
  const Interval r = grouped_correlation(components);
  const auto n = static_cast<double>(points.size());
  const Plot plot{.title = "Shift of the mean colour in the pixels", .x_title = "predicted from the latent channel, of 255", .places = {}, .to_scale = true, .connected = false, .lines = {line}};
  Section s{.json = {{"runs", points.size()}, {"correlation", to_json(r)}, {"slope", product / square}, {"direction_within_26_degrees", to_json(wilson(aligned, n))}, {"snr_fell", to_json(wilson(negative, n))},
                     {"points", Json::array()}}, .text = {}, .files = {{"channel-push.svg", svg_plot(plot)}}};
  for (const PushPoint& p : points)
    s.json["points"].push_back({{"scene", p.scene}, {"channel", p.channel}, {"amount", p.amount}, {"drift_db", p.drift_db}, {"predicted", p.predicted}, {"measured", p.measured}});
  s.text = fmt::format("## A channel whose signal-to-noise ratio falls predicts the shift of colour\n\nOne latent channel at a time is pushed at every step of the last third, by -0.1 to 0.1 a step. Its SNR fell below that of "
                       "the run left alone in {:.0f} % of {} runs. What the moved channel predicts for the mean colour (derivatives of the decoder, measured at calibration), and what the pixels show: correlation {}, slope {:.2f}, "
                       "direction within 26 degrees (cosine 0.9) in {:.0f} %.\n\n![Measured against predicted shift](channel-push.svg)\n\n",
                       100 * negative / std::max(1.0, n), points.size(), said(r), product / square, 100 * aligned / std::max(1.0, n));
  return s;
}

Section queue_section(const std::vector<QueuePoint>& points) {
  std::map<std::string, std::map<int, std::map<int, std::vector<double>>>> by;   // model, steps, scene
  std::set<int> counts;
  for (const QueuePoint& p : points) by[p.model][p.steps][p.scene].push_back(p.queued), counts.insert(p.steps);
  Plot plot{.title = "Finest detail still to come at 4/5 of the run", .x_title = "steps", .places = {}, .lines = {}};
  for (const int steps : counts) plot.places.push_back(std::to_string(steps));
  Section s{.json = Json::array(), .text = "## The detail queue grows as steps fall\n\n| model | steps | waiting at 4/5 of the run | 95 % interval |\n|---|---|---|---|\n", .files = {}};
  for (const auto& [model, of_steps] : by) {
    PlotLine line{.name = model, .points = {}};
    for (const auto& [steps, scenes] : of_steps) {
      Groups groups;
      for (const auto& [scene, values] : scenes) groups.push_back(values);
      const Interval mean = bootstrap_mean(groups);
      const auto place = static_cast<std::size_t>(std::distance(counts.begin(), counts.find(steps)));
      line.points.push_back({.place = place, .value = mean.value, .interval = std::pair(mean.low, mean.high), .x = 0});
      s.json.push_back({{"model", model}, {"steps", steps}, {"queued", to_json(mean)}});
      s.text += fmt::format("| {} | {} | {:.3f} | {:.3f} to {:.3f} |\n", model, steps, mean.value, mean.low, mean.high);
    }
    plot.lines.push_back(std::move(line));
  }
  s.text += "\n![The queue against steps](detail-queue.svg)\n";
  s.files = {{"detail-queue.svg", svg_plot(plot)}};
  return s;
}

struct Arguments {
  EvidencePlan plan{.model = "signs-base", .compared = {}};
  std::string out;
};

int evidence(const Arguments& a, Context& context) {
  const std::filesystem::path out = a.out, scratch = std::filesystem::temp_directory_path() / fmt::format("safelight-evidence-{}", ::getpid());
  std::vector<Section> sections;
  {
    ProgressBar bar(true);
    EvidenceRuns runs(context, a.plan, scratch, [&](const std::string& what, double part) {
      bar.show(what, part, 0);
      if (stop_requested()) throw Error(ErrorCode::cancelled, "cancelled on request");
    });
    catch_interrupts();
    sections = {collapse_section(runs.collapses()), push_section(runs.pushes()), queue_section(runs.queues())};
    std::filesystem::remove_all(scratch);
  }
  std::filesystem::create_directories(out);
  Json report = {{"model", a.plan.model}, {"scenes", a.plan.scenes}, {"seed", a.plan.seed}};
  std::string page = fmt::format("# What the probes predict, measured on {}\n\nMade by `safelight lab evidence {} --scenes {} --seed {}`.\n\n", a.plan.model, a.plan.model, a.plan.scenes, a.plan.seed);
  constexpr const char* kNames[] = {"routing_collapse", "channel_push", "detail_queue"};
  for (std::size_t i = 0; i < sections.size(); ++i) {
    report[kNames[i]] = sections[i].json;
    page += sections[i].text;
    for (const auto& [name, svg] : sections[i].files) write_file_atomic(out / name, svg);
  }
  write_file_atomic(out / "evidence.json", report.dump(1) + "\n");
  write_file_atomic(out / "evidence.md", page);
  if (context.common.json) print_json(report);
  else print_line(page);
  return 0;
}

}  // namespace

Command lab_evidence(CLI::App& lab, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("evidence", "Measure whether entropy, SNR drift and the detail queue predict what becomes of the picture: a page with plots");
  c->add_option("model", a->plan.model, "name or directory of a model of the scenes' world");
  c->add_option("--compare", a->plan.compared, "further models, for the detail queue");
  c->add_option("--scenes", a->plan.scenes, "prompts and seeds")->check(CLI::Range(3, 1000));
  c->add_option("--seed", a->plan.seed, "of scenes and noise")->check(is_seed());
  c->add_option("--out", a->out, "directory for evidence.md, evidence.json and the plots")->required();
  return {c, [a, &context] { return evidence(*a, context); }};
}

}  // namespace safelight::app
