// What a score of a stored run hangs on, shown as a list, as JSON, or as a page.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "apps/cli/context.h"
#include "apps/console/region.h"
#include "apps/console/page.h"
#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "common/base/fields.h"
#include "common/base/io.h"
#include "common/base/markup.h"
#include "common/formats/png.h"
#include "engine/pipelines/gradients.h"
#include "insight/report/data_url.h"

namespace safelight::app {
namespace {

constexpr std::size_t kShownModules = 12;

struct Arguments {
  std::string run = "latest", score, word, region, out;
  int step = -1;
};

// What stands for the failures of a subsystem.
constexpr std::array<std::pair<const char*, const char*>, 3> kUsualScores = {{{"guidance", "clipping"}, {"scheduler", "grain"}, {"denoiser", "latent-spread"}}};

std::string score_for(const Json& verdict) {
  if (verdict.is_object() && !verdict.value("healthy", true))
    for (const auto& [subsystem, score] : kUsualScores)
      if (verdict.value("subsystem", "") == subsystem) return score;
  return "contrast";
}

// The step of the verdict, else the middle of the run.
int step_for(const TraceReader& trace, const Json& verdict) {
  const int middle = trace.first_step() + trace.steps_done() / 2;
  return verdict.is_object() && !verdict.value("healthy", true) && verdict.value("step", -1) >= 0 ? trace.first_step() + verdict["step"].get<int>() : middle;
}

// From the last restart point before the step, so that little is run again.
Interventions replayed_from(const TraceReader& trace, int step) {
  Interventions change = interventions_from_json(trace.run().value("interventions", Json::object()));
  for (const int point : trace.restart_steps())
    if (point > 0 && point <= step && (!change.restart || point > change.restart->step)) change.restart = RestartPoint{.run = trace.directory().string(), .step = point};
  return change;
}

std::vector<Influence> strongest(std::vector<Influence> list, std::size_t most) {
  std::stable_sort(list.begin(), list.end(), [](const Influence& a, const Influence& b) { return a.per_percent > b.per_percent; });
  if (list.size() > most) list.resize(most);
  return list;
}

std::string title_of(const Gradients& g) {
  return fmt::format("{}{} = {:.4g} at step {} (timestep {:.0f})", g.score, g.word.empty() ? "" : " of '" + g.word + "'", g.value, g.step, g.timestep);
}

void print_list(const std::string& title, const std::vector<Influence>& list) {
  constexpr int kBar = 30;
  print_line(title);
  const double most = list.empty() ? 0 : std::max_element(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.per_percent < b.per_percent; })->per_percent;
  for (const Influence& i : list) print_line(fmt::format("  {:<44} {:>10.3g}  {}", printable(i.name), i.per_percent, std::string(most > 0 ? static_cast<std::size_t>(kBar * i.per_percent / most) : 0, '#')));
}

void print(const Gradients& g) {
  print_line(title_of(g));
  print_list("tokens: a change of the embedding by 1 % moves it by at most", g.tokens);
  print_list("modules: a change of the output by 1 % moves it by at most", strongest(g.modules, kShownModules));
  for (const GradientCheck& c : g.checks) print_line(fmt::format("checked: {} really moved by 0.01 %: {:+.3g} expected, {:+.3g} measured", printable(c.name), c.predicted, c.measured));
}

// Dark to bright by how much each cell of the latent counts, large enough to look at.
Image map_picture(const Gradients& g) {
  constexpr int kLeastSide_px = 256;
  const int scale = std::max<int>(1, kLeastSide_px / static_cast<int>(std::max<int64_t>(std::max(g.map_height, g.map_width), 1)));
  const float most = g.map.empty() ? 0 : *std::max_element(g.map.begin(), g.map.end());
  Image out{.width = static_cast<int>(g.map_width) * scale, .height = static_cast<int>(g.map_height) * scale, .channels = 1, .pixels = {}};
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const float v = g.map[static_cast<std::size_t>(y / scale) * static_cast<std::size_t>(g.map_width) + static_cast<std::size_t>(x / scale)];
      out.pixels.push_back(static_cast<std::uint8_t>(most > 0 ? 255 * v / most : 0));
    }
  return out;
}

std::string table_of(const char* head, const std::vector<Influence>& list) {
  std::vector<std::vector<std::string>> rows;
  for (const Influence& i : list) rows.push_back({escaped_markup(i.name), fmt::format("{:.3g}", i.per_percent)});
  return html_table({head, "most that 1 % moves it"}, rows);
}

std::string page(const Gradients& g, const TraceReader& trace) {
  std::string body = "<section><p class=\"sentence\" id=\"sentence\">" + escaped_markup(title_of(g)) + "</p>\n<p class=\"note\">Of the estimate of the picture at that step. Each row: how far the score moves at most, to first order, when the token's embedding or the module's output changes by 1 % of its norm.</p>\n";
  for (const GradientCheck& c : g.checks) body += "<p class=\"note\">" + escaped_markup(fmt::format("{} really moved by 0.01 %: {:+.3g} expected, {:+.3g} measured", c.name, c.predicted, c.measured)) + "</p>\n";
  body += "</section><h2>Where in the latent</h2>\n<p><img alt=\"sensitivity of the score to each cell of the latent\" src=\"data:image/png;base64," + base64(encode_png(map_picture(g), {})) + "\"></p>\n";
  body += "<h2>Tokens</h2>\n" + table_of("token", g.tokens) + "<h2>Modules, the strongest first</h2>\n" + table_of("module", strongest(g.modules, g.modules.size()));
  return html_page("Safelight: what " + g.score + " hangs on", trace.run().value("request", Json::object()).value("prompt", std::string()), body, "img { image-rendering: pixelated }");
}

int gradients_of(const Arguments& a, Context& context) {
  catch_interrupts();
  const TraceReader trace(context.find_run(a.run));
  const Json verdict = trace.run().value("verdict", Json());
  GradientQuestion question{.score = a.score.empty() ? (a.word.empty() ? score_for(verdict) : "word-attention") : a.score, .word = a.word, .step = a.step >= 0 ? a.step : step_for(trace, verdict), .region = {}};
  if (!a.region.empty()) question.region = region_of(a.region);
  const Gradients g = context.engine().gradients(stored_request(trace), replayed_from(trace, question.step), question, {.progress = {}, .cancelled = stop_requested});
  if (!a.out.empty()) write_file_atomic(a.out, page(g, trace));
  if (context.common.json) return print_json(fields_to_json(g)), 0;
  print(g);
  if (!a.out.empty()) print_line(a.out);
  return 0;
}

std::string scores_help() {
  std::string out = "what is differentiated; without it what stands for the verdict's subsystem, else contrast.";
  for (const GradientScore& s : gradient_scores()) out += fmt::format(" {}: {}.", s.name, s.meaning);
  return out;
}

}  // namespace

Command gradients_command(CLI::App& app, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("gradients", "Which tokens, modules and places a score of a run is most sensitive to, by backpropagation through one step");
  c->add_option("run", a->run, "id or directory of a run, or latest");
  c->add_option("--score", a->score, scores_help());
  c->add_option("--word", a->word, "word of the prompt, for word-attention");
  c->add_option("--step", a->step, "step of the run, from 0; without it the verdict's, else the middle one")->check(CLI::Range(0, 1000));
  c->add_option("--region", a->region, "x,y,w,h in pixels: only this part of the picture counts");
  c->add_option("--out", a->out, "HTML file to write");
  return {c, [a, &context] { return gradients_of(*a, context); }};
}

}  // namespace safelight::app
