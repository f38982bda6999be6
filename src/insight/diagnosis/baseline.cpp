#include "insight/diagnosis/baseline.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "insight/diagnosis/artifact.h"

namespace safelight {
namespace {

constexpr double kWiden = 0.25, kWidenFeatures = 0.08;  // features are many runs' extremes already

Band widened_band(std::vector<double> values, double widen) {
  std::sort(values.begin(), values.end());
  const double width = values.back() - values.front();
  return {values.front() - widen * width, values[values.size() / 2], values.back() + widen * width};
}

Json to_json(const Band& b) { return {b.low, b.median, b.high}; }

Band band_from(const Json& j) { return {j.at(0).get<double>(), j.at(1).get<double>(), j.at(2).get<double>()}; }

using Pool = std::map<std::string, std::vector<double>>;

std::map<std::string, Band> bands_of(const Pool& pool, double widen = kWiden) {
  std::map<std::string, Band> out;
  for (const auto& [name, values] : pool)
    if (!values.empty()) out[name] = widened_band(values, widen);
  return out;
}

}  // namespace

bool is_per_word(const std::string& s) {
  return s == "attention.token_entropy" || s == "attention.peak" || s == "attention.coverage" || s == "attention.drift";
}

double Band::deviation(double value, double floor) const {
  const double half = std::max(0.5 * (high - low), floor);
  if (!std::isfinite(value)) return 1e6;
  return value < low ? (low - value) / half : value > high ? (value - high) / half : 0.0;
}

Band Band::within(double most, double floor) const {
  const double margin = most * std::max(0.5 * (high - low), floor);
  return {low - margin, median, high + margin};
}

int Baseline::bin_of(double timestep) { return std::clamp(static_cast<int>(timestep / 100.0), 0, kBins - 1); }

const Band* Baseline::band(const std::string& name, std::size_t element, double timestep) const {
  const auto it = series.find(name);
  if (it == series.end() || it->second.empty()) return nullptr;
  const auto& rows = it->second[is_per_word(name) ? 0 : std::min(element, it->second.size() - 1)];
  const auto bin = static_cast<std::size_t>(bin_of(timestep));
  for (std::size_t d = 0; d < rows.size(); ++d) {  // the nearest stretch that was visited
    if (bin >= d && rows[bin - d]) return &*rows[bin - d];
    if (bin + d < rows.size() && rows[bin + d]) return &*rows[bin + d];
  }
  return nullptr;
}

Band band_of(std::vector<double> values) { return widened_band(std::move(values), kWiden); }

namespace {

using SeriesPool = std::map<std::string, std::vector<std::vector<std::vector<double>>>>;   // series -> element -> bin -> values

SeriesBands series_bands(const SeriesPool& pool) {
  SeriesBands out;
  for (const auto& [name, elements] : pool)
    for (const auto& bins : elements) {
      auto& row = out[name].emplace_back(Baseline::kBins);
      for (std::size_t i = 0; i < bins.size(); ++i)
        if (bins[i].size() >= 5) row[i] = band_of(bins[i]);
    }
  return out;
}

Json series_json(const SeriesBands& series) {
  Json out = Json::object();
  for (const auto& [name, elements] : series)
    for (const auto& bins : elements) {
      Json row = Json::array();
      for (const auto& band : bins) row.push_back(band ? to_json(*band) : Json(nullptr));
      out[name].push_back(row);
    }
  return out;
}

SeriesBands series_from(const Json& json) {
  if (!json.is_object()) throw std::invalid_argument("bands of series must be an object");
  SeriesBands out;
  for (const auto& [name, elements] : json.items())
    for (const Json& bins : elements) {
      auto& row = out[name].emplace_back();
      for (const Json& band : bins) row.push_back(band.is_null() ? std::nullopt : std::optional<Band>(band_from(band)));
      row.resize(Baseline::kBins);
    }
  return out;
}

bool is_of_guidance(const std::string& series) { return series.rfind("guidance.", 0) == 0; }

}  // namespace

Baseline Baseline::for_run(const TraceReader& run) const {
  Baseline out = *this;
  if (has_negative(run))
    for (const auto& [name, bands] : guidance_with_negative) out.series[name] = bands;
  return out;
}

Baseline build_baseline(const std::vector<TraceReader>& runs) {
  Baseline b;
  b.runs = static_cast<int>(runs.size());
  SeriesPool pool, guidance;
  Pool facts, features;
  std::vector<Features> together;
  for (const TraceReader& run : runs) {
    const bool negative = has_negative(run);
    for (const SeriesInfo& s : run.series()) {
      if (negative && !is_of_guidance(s.name)) continue;
      const auto& rows = run.values(s.name);
      for (std::size_t step = 0; step < rows.size(); ++step)
        for (std::size_t e = 0; e < rows[step].size(); ++e) {
          if (!std::isfinite(rows[step][e])) continue;
          const std::size_t slot = is_per_word(s.name) ? 0 : e;
          const auto add = [&](SeriesPool& to) {
            auto& elements = to[s.name];
            if (elements.size() <= slot) elements.resize(slot + 1, std::vector<std::vector<double>>(Baseline::kBins));
            elements[slot][static_cast<std::size_t>(Baseline::bin_of(run.nodes()[step].timestep))].push_back(rows[step][e]);
          };
          if (!negative) add(pool);
          if (is_of_guidance(s.name)) add(guidance);
        }
    }
    if (negative) continue;
    for (const auto& [group, entries] : run.run()["facts"].items())
      for (const auto& [key, value] : entries.items())
        if (value.is_number()) facts[group + "." + key].push_back(value.get<double>());
    together.push_back(artifact_features(run));
    for (const auto& [name, value] : together.back()) features[name].push_back(value);
  }
  b.series = series_bands(pool);
  if (std::any_of(runs.begin(), runs.end(), has_negative)) b.guidance_with_negative = series_bands(guidance);
  b.facts = bands_of(facts);
  b.features = bands_of(features, kWidenFeatures);
  b.joint = joint_band(together);
  for (const TraceReader& run : runs)
    if (has_negative(run)) b.score_with_negative = std::max(b.score_with_negative, overall(artifact_scores(run, b)));
  return b;
}

bool has_negative(const TraceReader& run) { return !run.run().value("resolved", Json::object()).value("negative", std::string()).empty(); }

Json to_json(const Baseline& b) {
  Json json = {{"format", "safelight-baseline/1"}, {"runs", b.runs}, {"false_alarm_rate", b.false_alarm_rate},
               {"false_alarm_runs", b.false_alarm_runs}, {"latent_to_rgb", b.latent_to_rgb}, {"channel_to_rgb", b.channel_to_rgb},
               {"series", series_json(b.series)}, {"guidance_with_negative", series_json(b.guidance_with_negative)}, {"facts", Json::object()}, {"features", Json::object()}, {"joint", to_json(b.joint)},
               {"score_with_negative", b.score_with_negative}, {"small_edit", b.small_edit ? to_json(*b.small_edit) : Json(nullptr)}};
  for (const KnownAnswer& a : b.known_answers) json["known_answers"].push_back(to_json(a));
  for (const auto& [name, band] : b.facts) json["facts"][name] = to_json(band);
  for (const auto& [name, band] : b.features) json["features"][name] = to_json(band);
  return json;
}

Baseline baseline_from_json(const Json& json, const std::string& where) {
  try {
    if (json.at("format") != "safelight-baseline/1") throw Error(ErrorCode::corrupt_file, where + " is not a baseline of this version");
    Baseline b;
    b.runs = json.at("runs");
    b.false_alarm_rate = json.at("false_alarm_rate");
    b.false_alarm_runs = json.at("false_alarm_runs");
    b.latent_to_rgb = json.at("latent_to_rgb").get<std::vector<std::vector<double>>>();
    b.channel_to_rgb = json.value("channel_to_rgb", b.channel_to_rgb);
    b.score_with_negative = json.value("score_with_negative", 0.0);
    b.series = series_from(json.at("series"));
    if (json.contains("guidance_with_negative")) b.guidance_with_negative = series_from(json["guidance_with_negative"]);
    for (const auto& [name, band] : json.at("facts").items()) b.facts[name] = band_from(band);
    for (const auto& [name, band] : json.at("features").items()) b.features[name] = band_from(band);
    if (json.contains("joint")) b.joint = joint_band_from_json(json["joint"]);
    for (const Json& a : json.value("known_answers", Json::array())) b.known_answers.push_back(known_answer_from_json(a));
    if (json.contains("small_edit") && !json["small_edit"].is_null()) b.small_edit = band_from(json["small_edit"]);
    return b;
  } catch (const std::invalid_argument& e) {
    throw Error(ErrorCode::corrupt_file, where + ": " + e.what() + "; run `safelight lab calibrate` again");
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, where + ": " + e.what() + "; run `safelight lab calibrate` again");
  }
}

std::optional<Baseline> read_baseline(const std::filesystem::path& model) {
  const auto file = model / "baseline.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  return baseline_from_json(read_json(file), "'" + file.string() + "'");
}

Json bands_for(const TraceReader& run, const Baseline& baseline) {
  const Baseline held_to = baseline.for_run(run);
  Json out = Json::object();
  for (const SeriesInfo& s : run.series()) {
    Json low = Json::array(), high = Json::array();
    const auto& rows = run.values(s.name);
    for (std::size_t step = 0; step < rows.size(); ++step) {
      Json l = Json::array(), h = Json::array();
      for (std::size_t e = 0; e < rows[step].size(); ++e) {
        const Band* band = held_to.band(s.name, e, run.nodes()[step].timestep);
        l.push_back(band ? Json(band->low) : Json(nullptr));
        h.push_back(band ? Json(band->high) : Json(nullptr));
      }
      low.push_back(l);
      high.push_back(h);
    }
    out[s.name] = {{"low", low}, {"high", high}};
  }
  return out;
}

}  // namespace safelight
