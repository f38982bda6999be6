#include "insight/diagnosis/artifact.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "common/measure/image_statistics.h"
#include "insight/diagnosis/baseline.h"

namespace safelight {
namespace {

const std::map<std::string, std::vector<const char*>>& symptoms() {
  static const std::map<std::string, std::vector<const char*>> table = {
      {"colour", {"mean_chroma", "max_chroma", "cast_red", "cast_blue", "clip_low", "clip_high"}},
      {"contrast", {"mean_luma", "std_luma"}},
      {"noise", {"noise", "texture"}},
      {"blur", {"sharpness", "shading", "soft_edges"}},
      {"banding", {"banding", "blockiness"}},
      {"clutter", {"distinct_colours"}},
      {"latent", {"latent.rms", "latent.max_abs", "latent.high_frequency"}}};
  return table;
}

// A feature that hardly varied on healthy runs gets a least half width: two per cent for shares, else a twentieth of a
// gray level or two per cent of its size.
double floor_of(const std::string& name, const Band& band) {
  const bool share = name.find("clip") == 0 || name == "shading";
  return share ? 0.02 : std::max(0.05, 0.02 * std::abs(band.median));
}

}  // namespace

std::vector<std::pair<std::string, double>> artifact_features(const TraceReader& run) {
  std::vector<std::pair<std::string, double>> out;
  if (const auto image = run.image(0)) out = listed(image_statistics(*image));
  const StoredTensor latent = run.final_latent();
  if (latent.shape.size() == 3) {
    const auto s = latent_statistics(latent.values, static_cast<std::size_t>(latent.shape[0]), static_cast<std::size_t>(latent.shape[1]),
                                     static_cast<std::size_t>(latent.shape[2]));
    out.emplace_back("latent.rms", s.rms);
    out.emplace_back("latent.max_abs", s.max_abs);
    out.emplace_back("latent.high_frequency", s.high_frequency);
    for (std::size_t c = 0; c < s.std.size(); ++c) {
      const std::string channel = std::to_string(c);
      out.emplace_back("latent.std." + channel, s.std[c]);
      out.emplace_back("latent.roughness." + channel, s.roughness[c]);
      out.emplace_back("latent.kurtosis." + channel, s.kurtosis[c]);
    }
  }
  return out;
}

std::vector<SymptomScore> artifact_scores(const TraceReader& run, const Baseline& baseline) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : artifact_features(run)) values[name] = value;
  std::vector<SymptomScore> out;
  if (values.empty()) return out;
  double worst = 0;
  for (const auto& [symptom, names] : symptoms()) {
    double deviation = 0;
    for (const char* name : names) {
      const auto value = values.find(name);
      const auto band = baseline.features.find(name);
      if (value != values.end() && band != baseline.features.end())
        deviation = std::max(deviation, band->second.deviation(value->second, floor_of(name, band->second)));
    }
    out.push_back({symptom, 1 - std::exp(-deviation)});
    worst = std::max(worst, out.back().score);
  }
  out.push_back({"combination", 1 - std::exp(-baseline.joint.deviation(values))});
  worst = std::max(worst, out.back().score);
  out.push_back({"overall", worst});
  return out;
}

double overall(const std::vector<SymptomScore>& scores) {
  for (const SymptomScore& s : scores)
    if (s.symptom == "overall") return s.score;
  return 0;
}

}  // namespace safelight
