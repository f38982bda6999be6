#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "insight/comparison/comparison.h"

namespace safelight {
namespace {

constexpr std::size_t kRows = 8;      // of measured values, series and words; the JSON has all
constexpr std::size_t kLongest = 48;  // of a value

std::string short_text(const Json& value) {
  std::string text = value.is_string() ? value.get<std::string>() : value.is_null() ? "-" : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (value.is_number_float()) text = fmt::format("{:.5g}", value.get<double>());
  if (text.size() > kLongest) {
    std::size_t cut = kLongest;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;   // not within a character
    text = text.substr(0, cut) + " ...";
  }
  return text;
}

std::string parameters_text(const Comparison& c, bool measured) {
  std::string out;
  std::size_t rows = 0, more = 0;
  for (const ParameterDifference& d : c.parameters) {
    if (d.measured != measured) continue;
    if (measured && rows >= kRows) {
      ++more;
      continue;
    }
    out += fmt::format("{}{:<34} {} -> {}\n", rows++ == 0 ? (measured ? "measured  " : "settings  ") : "          ", d.path, short_text(d.first), short_text(d.second));
  }
  if (!measured && rows == 0) out = "settings  no difference\n";
  return more > 0 ? out + fmt::format("          and {} more\n", more) : out;
}

std::string parting_text(const Comparison& c) {
  if (c.parting.step < 0) return c.steps.empty() ? "" : "parting   none: the runs are the same at every step that both have\n";
  std::string out = fmt::format("parting   step {} (timestep {:.0f}), first in {}", c.parting.step, c.parting.timestep, c.parting.by);
  if (c.parting.half_steps >= 0) out += fmt::format("; half of the final distance was reached after {} steps", c.parting.half_steps);
  return out + "\n";
}

std::string latents_text(const Comparison& c) {
  if (c.latents.empty()) return "";
  std::string out = "latents   ";
  const std::size_t every = std::max<std::size_t>(1, c.latents.size() / kRows);
  for (std::size_t i = 0; i < c.latents.size(); ++i)
    if (i % every == 0 || i + 1 == c.latents.size()) out += fmt::format("{}: {:.3f}  ", c.latents[i].steps_first, c.latents[i].distance);
  return out + (c.latents_scaled ? "(steps done: relative distance, both at length 1)\n" : "(steps done: relative distance)\n");
}

std::string picture_text(const PictureDifference& p) {
  std::string out = fmt::format("picture   {}: mean difference {:.2f} of 255, {:.1f} dB, {:.1f} % of the pixels changed", p.index, p.mean, p.psnr_db, 100 * p.changed);
  if (p.changed <= 0) return out + "\n";
  out += fmt::format(", within {} x {} at ({}, {})\n", p.box[2], p.box[3], p.box[0], p.box[1]);
  static constexpr char kShades[] = " .:-=+*#%@";
  const double most = *std::max_element(p.grid.begin(), p.grid.end());
  for (int y = 0; y < p.rows; ++y) {
    out += "          |";
    for (int x = 0; x < p.columns; ++x) {
      const double share = most > 0 ? p.grid[static_cast<std::size_t>(y * p.columns + x)] / most : 0;
      out += std::string(2, kShades[static_cast<std::size_t>(std::lround(9 * share))]);
    }
    out += "|\n";
  }
  return out;
}

std::string words_text(const Comparison& c) {
  std::string out;
  std::size_t rows = 0;
  for (const WordDifference& w : c.words) {
    if (rows >= kRows || (w.match == "same" && w.moved_most <= 0)) continue;
    const std::string text = w.match == "same" ? w.first : w.match == "replaced" ? w.first + " -> " + w.second : w.match == "only-first" ? w.first + " (first only)" : w.second + " (second only)";
    out += fmt::format("{}{:<26}", rows++ == 0 ? "words     " : "          ", text);
    if (!w.moved.empty())
      out += fmt::format(" {:.0f} % of its attention elsewhere, share {:.3f} -> {:.3f}, centre moved ({:+.2f}, {:+.2f})", 100 * w.moved_mean, w.share_first, w.share_second, w.shift_x, w.shift_y);
    out += "\n";
  }
  return out;
}

std::string series_text(const Comparison& c) {
  std::string out;
  std::size_t rows = 0;
  for (const SeriesDifference& s : c.series) {
    if (s.first_pair < 0 || rows >= kRows) continue;
    const StepPair& at = c.steps[static_cast<std::size_t>(std::max(s.largest_pair, 0))];
    out += fmt::format("{}{:<26} relative {:.3f}, from step {} on", rows++ == 0 ? "series    " : "          ", s.name, s.relative, c.steps[static_cast<std::size_t>(s.first_pair)].first);
    if (s.largest_pair >= 0) out += fmt::format(", largest {:+.4g} {}at step {}", s.difference[static_cast<std::size_t>(s.largest_pair)], s.unit.empty() ? "" : s.unit + " ", at.first);
    out += "\n";
  }
  return out;
}

}  // namespace

std::string comparison_text(const Comparison& c) {
  std::string out = fmt::format("first     {}  {}\nsecond    {}  {}\n", c.first.directory, c.first.prompt, c.second.directory, c.second.prompt);
  out += parameters_text(c, false) + parting_text(c) + latents_text(c);
  if (c.final_distance) out += fmt::format("final     the latents lie {:.3f} of the first one's length apart{}\n", *c.final_distance, c.same_bytes ? "; the pictures are the same bytes" : "");
  for (const PictureDifference& p : c.pictures) out += picture_text(p);
  out += words_text(c) + series_text(c) + parameters_text(c, true);
  out += fmt::format("brittle   {}: {}", c.sensitivity.brittle, c.sensitivity.why);
  for (const std::string& m : c.missing) out += "\nmissing   " + m;
  return out;
}

}  // namespace safelight
