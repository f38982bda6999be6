#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "common/base/io.h"
#include "insight/report/report.h"

namespace safelight {
namespace {

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) v = v << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[v >> (18 - 6 * k) & 63];
  }
  return out;
}

Json picture(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return nullptr;
  return "data:image/png;base64," + base64(read_file(file));
}

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
    for (std::int64_t row = 0; row < m.rows; ++row) {
      const std::vector<float> values = row < run.steps_done() || m.rows == 1 ? run.map_row(m.name, row) : std::vector<float>();
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

Json verdict_of(const TraceReader& run) {
  if (!run.run().contains("verdict") || !run.run()["verdict"].is_object()) return nullptr;
  Json verdict = run.run()["verdict"];
  for (Json& c : verdict["counterfactuals"]) {
    Json after = Json::array(), sham = Json::array();
    for (const Json& r : c["runs"]) after.push_back(picture(std::filesystem::path(r.get<std::string>()) / "image-0.png"));
    for (const Json& r : c["sham_runs"]) sham.push_back(picture(std::filesystem::path(r.get<std::string>()) / "image-0.png"));
    c["after_images"] = after;
    c["sham_images"] = sham;
  }
  return verdict;
}

}  // namespace

Json report_run(const TraceReader& run, const Baseline* baseline) {
  const Json& r = run.run();
  Json images = Json::array(), previews = Json::array(), timesteps = Json::array();
  for (const std::string& name : run.image_names())
    if (name.find('/') == std::string::npos) images.push_back(picture(run.directory() / name));
  for (int i = 0; i < run.steps_done(); ++i) {
    previews.push_back(picture(run.directory() / ("preview-" + std::to_string(i) + ".png")));
    timesteps.push_back(number(run.nodes()[static_cast<std::size_t>(i)].timestep));
  }
  const Json facts = r.value("facts", Json::object());
  const Json planned = facts.contains("scheduler") ? facts["scheduler"].value("steps_planned", Json(0)) : Json(0);
  Json weights = Json::array();
  for (const Json& w : r.value("weights", Json::array())) weights.push_back({{"component", w.value("component", "")}, {"file", w.value("file", "")}, {"sha256", w.value("sha256", "")}});
  return {{"id", r.value("id", "")}, {"status", r.value("status", "")}, {"error", r.value("error", "")}, {"steps_done", run.steps_done()}, {"steps_planned", planned},
          {"images", images}, {"previews", previews}, {"timesteps", timesteps}, {"series", series_of(run, baseline)}, {"maps", maps_of(run)},
          {"verdict", verdict_of(run)}, {"resolved", r.value("resolved", r.value("request", Json::object()))}, {"environment", r.value("environment", Json::object())},
          {"weights", weights}, {"stages", r.value("stages", Json::array())}, {"probe_cost", r.value("probe_cost", Json(nullptr))},
          {"interventions", r.value("interventions", Json::object())}};
}

}  // namespace safelight
