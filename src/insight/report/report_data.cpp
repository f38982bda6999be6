#include <algorithm>
#include <cmath>

#include "insight/report/data_url.h"
#include "insight/report/report.h"
#include "insight/report/verdict_page.h"

namespace safelight {
namespace {

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

Json series_of(const TraceReader& run, const Baseline* baseline) {
  const Json bands = baseline ? bands_for(run, *baseline) : Json::object();
  Json out = Json::array();
  for (const SeriesInfo& s : run.series()) {
    Json rows = Json::array();
    for (const auto& row : run.values(s.name)) {
      Json r = Json::array();
      for (const double v : row) r.push_back(number(v));
      rows.push_back(std::move(r));
    }
    Json one = {{"name", s.name}, {"unit", s.unit}, {"meaning", s.meaning}, {"probe", s.probe}, {"labels", s.labels}, {"values", rows}};
    if (bands.contains(s.name)) one["low"] = bands[s.name]["low"], one["high"] = bands[s.name]["high"];
    out.push_back(std::move(one));
  }
  return out;
}

Json maps_of(const TraceReader& run) {
  Json out = Json::array();
  for (const MapInfo& m : run.maps()) {
    Json rows = Json::array(), peaks = Json::array();
    const std::int64_t first = m.rows == 1 ? 0 : run.first_step(), last = m.rows == 1 ? 1 : std::min<std::int64_t>(m.rows, first + run.steps_done());
    for (std::int64_t row = first; row < last; ++row) {
      const std::vector<float> values = run.map_row(m.name, row);
      float peak = 0;
      for (const float v : values) peak = std::isfinite(v) ? std::max(peak, v) : peak;
      std::string bytes(values.size(), '\0');
      for (std::size_t i = 0; i < values.size(); ++i)
        bytes[i] = static_cast<char>(static_cast<unsigned char>(peak > 0 && std::isfinite(values[i]) ? std::clamp(values[i] / peak, 0.0f, 1.0f) * 255 : 0));
      rows.push_back(values.empty() ? Json(nullptr) : Json(base64(bytes)));
      peaks.push_back(peak);
    }
    out.push_back({{"name", m.name}, {"meaning", m.meaning}, {"labels", m.labels}, {"shape", m.shape}, {"rows", rows}, {"peaks", peaks}});
  }
  return out;
}

}  // namespace

Json report_run(const TraceReader& run, const Baseline* baseline, const std::filesystem::path& page_directory) {
  const Json& r = run.run();
  Json images = Json::array(), previews = Json::array(), timesteps = Json::array();
  for (const std::string& name : run.image_names())
    if (name.find('/') == std::string::npos) images.push_back(picture_url(run.directory() / name));
  for (int i = 0; i < run.steps_done(); ++i) {
    previews.push_back(picture_url(run.directory() / ("preview-" + std::to_string(run.first_step() + i) + ".png")));
    timesteps.push_back(number(run.nodes()[static_cast<std::size_t>(i)].timestep));
  }
  const Json facts = r.value("facts", Json::object());
  const Json planned = facts.contains("scheduler") ? facts["scheduler"].value("steps_planned", Json(0)) : Json(0);
  Json weights = Json::array();
  for (const Json& w : r.value("weights", Json::array())) weights.push_back({{"component", w.value("component", "")}, {"file", w.value("file", "")}, {"sha256", w.value("sha256", "")}});
  return {{"id", r.value("id", "")}, {"status", r.value("status", "")}, {"error", r.value("error", "")}, {"first_step", run.first_step()}, {"steps_done", run.steps_done()}, {"steps_planned", planned},
          {"images", images}, {"previews", previews}, {"timesteps", timesteps}, {"series", series_of(run, baseline)}, {"maps", maps_of(run)},
          {"verdict", verdict_page(run, page_directory)}, {"resolved", r.value("resolved", r.value("request", Json::object()))}, {"environment", r.value("environment", Json::object())},
          {"weights", weights}, {"stages", r.value("stages", Json::array())}, {"probe_cost", r.value("probe_cost", Json(nullptr))},
          {"interventions", r.value("interventions", Json::object())}};
}

}  // namespace safelight
