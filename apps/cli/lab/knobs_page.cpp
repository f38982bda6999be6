#include "apps/cli/lab/knobs_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "apps/cli/svg_plot.h"
#include "common/base/io.h"

namespace safelight::app {
namespace {

// Three significant digits, but all of those before the point.
std::string number(double v) {
  if (std::abs(v) >= 100) return fmt::format("{:.0f}", v);
  const int decimals = std::abs(v) >= 10 ? 1 : std::abs(v) >= 1 ? 2 : 3;
  return fmt::format("{:.{}f}", v, decimals);
}

std::string shown(const std::optional<Estimate>& e, bool with_sign = false) {
  if (!e) return "–";
  const std::string value = with_sign && e->value > 0 ? "+" + number(e->value) : number(e->value);
  return e->interval ? fmt::format("{} ({} to {})", value, number(e->interval->first), number(e->interval->second)) : value;
}

// Names of models come from outside.
std::string in_cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("|\\`*_<>[]&").find(c) != std::string_view::npos) out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out;
}

const char* verdict_of(const std::optional<Estimate>& change) {
  if (!change || !change->interval || change->prompts < kLeastPrompts) return "not told apart";
  return change->interval->first > 0 ? "rises" : change->interval->second < 0 ? "falls" : "not told apart";
}

Plot plot_of(const KnobSection& s, std::size_t measure, const std::vector<ScoredLine>& lines) {
  const Measure& m = knob_measure(s.measures[measure]);
  Plot plot{.title = m.title, .x_title = s.x_title, .places = {}, .connected = s.turned, .from_zero = m.kind != MeasureKind::mean || m.name == "hallucinated" || m.name == "lost", .lines = {}};
  for (const ScoredLine& line : lines) {
    PlotLine& drawn = plot.lines.emplace_back(PlotLine{line.line->name, {}});
    for (std::size_t i = 0; i < line.points.size(); ++i) {
      if (plot.lines.size() == 1) plot.places.push_back(line.points[i].point->label);
      if (const auto& e = line.points[i].values[measure]) drawn.points.push_back({i, e->value, e->interval});
    }
  }
  return plot;
}

std::string file_of(const KnobSection& s, const std::string& measure) { return "knobs-" + s.id + "-" + measure + ".svg"; }

std::string row_name(const KnobSection& s, const ScoredLine& line, const Scored& p) {
  if (line.line->name.empty()) return in_cell(p.point->label);
  return in_cell(line.line->name + ", " + p.point->label) + " " + s.x_title;
}

std::string values_table(const KnobSection& s, const std::vector<ScoredLine>& lines) {
  std::string out = "| " + (s.x_title.empty() ? "model" : s.x_title) + " |", rule = "|---|";
  for (const std::string& m : s.measures) out += " " + knob_measure(m).title + " |", rule += "---|";
  out += "\n" + rule + "\n";
  for (const ScoredLine& line : lines)
    for (const Scored& p : line.points) {
      out += "| " + row_name(s, line, p) + " |";
      for (const auto& e : p.values) out += " " + shown(e) + " |";
      out += "\n";
    }
  return out;
}

// A knob is judged by its two ends, what stands beside each other by the first one.
std::string changes_table(const KnobSection& s, const std::vector<ScoredLine>& lines) {
  std::string rows;
  for (const ScoredLine& line : lines)
    for (std::size_t i = 0; i < line.points.size(); ++i) {
      if (s.turned && i > 0 && i + 1 < line.points.size()) continue;
      const std::string name = line.line->name.empty() ? "" : in_cell(line.line->name) + ", ";
      const std::string ends = in_cell(line.points[line.reference].point->label) + " → " + in_cell(line.points[i].point->label);
      for (std::size_t m = 0; m < s.measures.size(); ++m)
        if (const auto& change = line.points[i].changes[m])
          rows += fmt::format("| {}{} | {} | {} | {} |\n", name, ends, knob_measure(s.measures[m]).title, shown(change, true), verdict_of(change));
    }
  return rows.empty() ? "" : "\n| from → to | measure | change, paired by prompt and seed | |\n|---|---|---|---|\n" + rows;
}

std::string section_text(const KnobSection& s, const std::vector<ScoredLine>& lines) {
  std::string out = "\n## " + s.title + "\n\n" + s.about + "\n";
  if (s.measures.empty()) return out;
  out += "\nTasks: " + joined(s.tasks) + ".\n\n";
  for (const std::string& m : s.measures) out += fmt::format("![{} over {}]({})\n", knob_measure(m).title, s.x_title.empty() ? "the models" : s.x_title, file_of(s, m));
  return out + "\n" + values_table(s, lines) + changes_table(s, lines);
}

std::string spread(const Json& m) { return m.is_null() ? "–" : fmt::format("{} ({} to {})", number(m["mean"].get<double>()), number(m["low"].get<double>()), number(m["high"].get<double>())); }

// What the latents themselves keep and cost: scenes through each autoencoder and back, without a denoiser.
std::string codecs_text(const KnobPlan& plan, const CellFile& cells, const KnobRun& run) {
  if (plan.codecs.empty()) return "";
  std::string out = fmt::format("\n## Autoencoders: compact against rich latents\n\n{} scenes that training never showed, half of them with signs, through each autoencoder and back, one at a time; no denoiser takes part. "
                                "Behind the slash stands the aliasing of the scenes themselves.\n\n"
                                "| autoencoder | latent | colour values for each number | PSNR, dB | gradient difference | aliasing (pixels) | signs read exactly | encode, ms | decode, ms | peak memory (MB) |\n"
                                "|---|---|---|---|---|---|---|---|---|---|\n",
                                codec_scenes(plan));
  for (const Codec& codec : plan.codecs) {
    const Json* s = cells.find(codec_key(codec, plan, run.threads));
    if (!s) continue;
    const int side = (*s)["image_px"].get<int>() / (*s)["downscale"].get<int>();
    const Json& signs = (*s)["signs_read"];
    const std::string read = signs.is_null() ? "–" : fmt::format("{} of {}", signs["right"].get<int>(), signs["of"].get<int>());
    out += fmt::format("| {} | {} x {} x {} | {} | {} | {} | {} / {} | {} | {} | {} | {} |\n", in_cell(codec.name), side, side, (*s)["latent_channels"].get<int>(), number((*s)["pixels_per_number"].get<double>()),
                       spread((*s)["psnr_db"]), spread((*s)["gradient_difference"]), spread((*s)["aliasing_px"]), spread((*s)["aliasing_of_truth_px"]), read,
                       spread((*s)["encode_ms"]), spread((*s)["decode_ms"]), number((*s)["peak_bytes"].get<double>() / 1e6));
  }
  return out;
}

Json codecs_json(const KnobPlan& plan, const CellFile& cells, const KnobRun& run) {
  Json out = Json::array();
  for (const Codec& codec : plan.codecs)
    if (const Json* s = cells.find(codec_key(codec, plan, run.threads))) out.push_back({{"name", codec.name}, {"scores", *s}});
  return out;
}

std::vector<std::string> unknown_words(const KnobPlan& plan, const CellFile& cells) {
  std::set<std::string> words;
  for (const KnobCell& cell : cells_of(plan))
    if (const Json* result = cells.find(key_of(cell, plan)))
      for (const Json& word : result->at("unknown_words")) words.insert(word.get<std::string>());
  return {words.begin(), words.end()};
}

std::string opening(const KnobPlan& plan, const KnobRun& run, const std::vector<std::string>& unknown) {
  const KnobOptions& o = plan.options;
  std::string out = fmt::format("# How the knobs of {} behave\n\nThis page, its plots and `knobs.json` are written by `safelight lab knobs`; nothing in them is "
                                "written by hand. ",
                                in_cell(plan.subjects.front().name));
  out += fmt::format("Fixed prompts, {} a task, {} picture{} each (seeds 0{}). Prompt adherence and structural correctness are two scores: a "
                     "well made picture may show the wrong thing, and the right thing may be badly made.\n\n",
                     o.count, o.seeds, o.seeds == 1 ? "" : "s", o.seeds == 1 ? "" : " to " + std::to_string(o.seeds - 1));
  if (run.done < run.total) out += fmt::format("**Unfinished**: {} of {} were measured; the same command goes on from here.\n\n", run.done, run.total);
  out += "In brackets and as bars: 95 % intervals. Shares have Wilson intervals over pictures; means have Student's t over prompts, each prompt's pictures "
         "averaged first. Changes are paired: the same prompts and seeds on both sides, Student's t over prompts; \"rises\" and \"falls\" are said only where that interval leaves out 0 "
         "and there are six prompts at least. Axes are not to scale along x.\n\n"
         "| model | recommended steps | recommended guidance | scheduler |\n|---|---|---|---|\n";
  for (const Subject& s : plan.subjects)
    out += fmt::format("| {} | {} | {:g} | {} |\n", in_cell(s.name), s.recommended.steps, s.recommended.guidance, s.recommended.solver.empty() ? "its own" : in_cell(s.recommended.solver));
  out += fmt::format("\nTime and memory: {}.\n", run.threads > 0 ? fmt::format("{} thread{}", run.threads, run.threads == 1 ? "" : "s") : "as many threads as the engine chooses");
  if (!unknown.empty()) out += "Words that a model did not know: " + in_cell(joined(unknown)) + ".\n";
  return out;
}

std::string meanings(const KnobPlan& plan) {
  std::set<std::string> used;
  for (const KnobSection& s : plan.sections) used.insert(s.measures.begin(), s.measures.end());
  std::string out = "\n## What is measured\n\n";
  for (const Measure& m : knob_measures())
    if (used.count(m.name)) out += "- **" + m.title + "**: " + m.meaning + ".\n";
  return out;
}

Json section_json(const KnobSection& s, const std::vector<ScoredLine>& lines, const KnobPlan& plan) {
  Json out = {{"id", s.id}, {"title", s.title}, {"tasks", s.tasks}, {"lines", Json::array()}};
  for (const ScoredLine& line : lines) {
    Json points = Json::array();
    for (const Scored& p : line.points) {
      const Setting& set = p.point->setting;
      const Subject& subject = plan.subjects[set.subject];
      Json values = Json::object(), changes = Json::object();
      for (std::size_t m = 0; m < s.measures.size(); ++m) values[s.measures[m]] = to_json(p.values[m]), changes[s.measures[m]] = to_json(p.changes[m]);
      points.push_back({{"label", p.point->label}, {"model", subject.name}, {"guidance", set.guidance.value_or(subject.recommended.guidance)},
                        {"steps", set.steps > 0 ? set.steps : subject.recommended.steps}, {"guided", {set.guidance_from, set.guidance_to}},
                        {"cache_interval", set.shortcuts.cache_interval}, {"cache_depth", set.shortcuts.cache_depth}, {"cache_threshold", set.shortcuts.cache_threshold}, {"merge_tokens", set.shortcuts.merge_tokens},
                        {"dtype", set.dtype.empty() ? "float32" : set.dtype}, {"values", values}, {"changes", changes}});
    }
    out["lines"].push_back({{"name", line.line->name}, {"changes_from", line.points[line.reference].point->label}, {"points", points}});
  }
  return out;
}

}  // namespace

Json write_knob_page(const std::filesystem::path& out, const KnobPlan& plan, const CellFile& cells, const KnobRun& run) {
  const std::vector<std::string> unknown = unknown_words(plan, cells);
  Json json = {{"model", plan.subjects.front().name}, {"prompts_per_task", plan.options.count}, {"seeds", plan.options.seeds}, {"done", run.done}, {"of", run.total},
               {"finished", run.done == run.total}, {"unknown_words", unknown}, {"page", "knobs.md"}, {"sections", Json::array()}};
  std::string page = opening(plan, run, unknown);
  std::set<std::string> plots;
  for (const KnobSection& s : plan.sections) {
    const std::vector<ScoredLine> lines = scored(s, plan, cells, run.threads);
    for (std::size_t m = 0; m < s.measures.size(); ++m) {
      const std::string file = file_of(s, s.measures[m]);
      write_file_atomic(out / file, svg_plot(plot_of(s, m, lines)));
      plots.insert(file);
    }
    page += section_text(s, lines);
    json["sections"].push_back(section_json(s, lines, plan));
  }
  page += codecs_text(plan, cells, run);
  json["autoencoders"] = codecs_json(plan, cells, run);
  write_file_atomic(out / "knobs.json", json.dump(2) + "\n");
  write_file_atomic(out / "knobs.md", page + meanings(plan));
  for (const KnobSection& s : plan.sections)
    for (const Measure& m : knob_measures())
      if (const std::string file = file_of(s, m.name); !plots.count(file)) std::filesystem::remove(out / file);
  return json;
}

}  // namespace safelight::app
