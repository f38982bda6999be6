#include "insight/diagnosis/complaint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/api/json.h"
#include "common/base/error.h"
#include "common/measure/image_statistics.h"
#include "common/measure/picture_difference.h"

namespace safelight {
namespace {

std::map<std::string, double> features_of(const Image& picture, const PixelRegion& region) {
  const Image part = cropped(picture, region);
  std::map<std::string, double> out;
  for (const auto& [name, value] : listed(image_statistics(part))) out[name] = value;
  for (const auto& [name, value] : listed(part_statistics(part))) out[name] = value;
  return out;
}

// The run's prompt and size as the model is meant to be used.
Interventions as_recommended(const TraceReader& trace, std::uint64_t seed) {
  const Json recommended = trace.run().value("recommended", Json::object());
  Interventions change;
  if (const int steps = recommended.value("steps", 0); steps > 0) change.steps = steps;
  if (const double guidance = recommended.value("guidance", 0.0); guidance > 0) change.guidance = guidance;
  if (const auto solver = recommended.value("solver", std::string()); !solver.empty()) change.scheduler = solver;
  change.seed = seed;
  return change;
}

double one_sided(const SymptomMeasure& m, const Band& usual, double value) {
  if ((m.side == Side::above && value < usual.median) || (m.side == Side::below && value > usual.median)) return 0;
  return usual.deviation(value, m.floor);
}

constexpr int kLeastSide_px = 8;

}  // namespace

Complaint::Complaint(const Looks& looks, const TraceReader& trace, const Image& picture, Experiment* experiment, const DiagnoseProgress& progress)
    : symptom_(symptom_named(looks.symptom)), region_(looks.region), width_(picture.width), height_(picture.height) {
  if (region_.width == 0 || region_.height == 0) region_ = {.x = 0, .y = 0, .width = width_, .height = height_};
  const auto here = features_of(picture, region_);   // refuses a region outside the picture
  if (region_.width < kLeastSide_px || region_.height < kLeastSide_px)
    throw Error(ErrorCode::invalid_argument, fmt::format("a region needs at least {0} x {0} pixels to be measured", kLeastSide_px));
  report_ = {.symptom = symptom_.name, .x = region_.x, .y = region_.y, .width = region_.width, .height = region_.height, .score = {}, .references = 0, .evidence = {}, .words = {}};
  report_.words = words_over(trace, region_, width_, height_);
  std::map<std::string, std::vector<double>> seen;
  const auto seed = trace.run().contains("resolved") ? trace.run()["resolved"].value("seed", std::uint64_t{0}) : 0;
  for (int k = 0; experiment && k < kReferences; ++k) {
    if (progress) progress("looking at the region in pictures made as recommended", static_cast<double>(k) / kReferences);
    const auto image = TraceReader(experiment->rerun(trace, as_recommended(trace, seed + 1'000 + static_cast<std::uint64_t>(k))).run).image(0);
    if (!image || image->width != width_ || image->height != height_) continue;
    ++report_.references;
    for (const auto& [name, value] : features_of(*image, region_)) seen[name].push_back(value);
  }
  for (auto& [name, values] : seen) usual_[name] = band_of(values);
  for (const SymptomMeasure& m : symptom_.measures) {
    Evidence e{.statistic = std::string("region.") + m.feature, .value = here.at(m.feature), .low = {}, .high = {}, .step = -1, .note = {}};
    if (const auto band = usual_.find(m.feature); band != usual_.end()) e.low = band->second.low, e.high = band->second.high;
    report_.evidence.push_back(std::move(e));
  }
  if (report_.references > 0) report_.score = score(picture);
}

double Complaint::score(const Image& picture) const {
  if (usual_.empty() || picture.width != width_ || picture.height != height_) return 0;
  double deviation = 0;
  const auto here = features_of(picture, region_);
  for (const SymptomMeasure& m : symptom_.measures) deviation = std::max(deviation, one_sided(m, usual_.at(m.feature), here.at(m.feature)));
  return 1 - std::exp(-deviation);
}

std::string Complaint::where() const {
  if (region_.width == width_ && region_.height == height_) return "in the picture";
  return fmt::format("in the region {},{},{},{}", region_.x, region_.y, region_.width, region_.height);
}

std::vector<WordOverRegion> words_over(const TraceReader& trace, const PixelRegion& region, int width, int height) {
  constexpr std::size_t kMost = 5;
  constexpr double kMoreThanOthers = 1.1;
  std::vector<WordOverRegion> out;
  const auto map = std::find_if(trace.maps().begin(), trace.maps().end(), [](const MapInfo& m) { return m.name == "attention.cross"; });
  if (map == trace.maps().end() || map->shape.size() != 3) return out;
  const int64_t words = map->shape[0], rows = map->shape[1], columns = map->shape[2];
  std::vector<double> inside(static_cast<std::size_t>(words), 0.0), all(static_cast<std::size_t>(words), 0.0);
  double cells = 0;
  const int last = trace.first_step() + trace.steps_done();
  for (int step = std::max(trace.first_step(), last - 3); step < last; ++step) {
    const std::vector<float> values = trace.map_row(map->name, step);
    if (static_cast<int64_t>(values.size()) != words * rows * columns) continue;
    for (int64_t w = 0; w < words; ++w)
      for (int64_t y = 0; y < rows; ++y)
        for (int64_t x = 0; x < columns; ++x) {
          // the share of this cell that lies in the region
          const auto overlap = [](double from, double to, double low, double high) { return std::max(0.0, std::min(to, high) - std::max(from, low)) / (to - from); };
          const double cx = static_cast<double>(width) / static_cast<double>(columns), cy = static_cast<double>(height) / static_cast<double>(rows);
          const double share = overlap(static_cast<double>(x) * cx, static_cast<double>(x + 1) * cx, region.x, region.x + region.width) *
                               overlap(static_cast<double>(y) * cy, static_cast<double>(y + 1) * cy, region.y, region.y + region.height);
          const double v = values[static_cast<std::size_t>((w * rows + y) * columns + x)];
          inside[static_cast<std::size_t>(w)] += share * v;
          all[static_cast<std::size_t>(w)] += v;
          if (w == 0 && step == last - 1) cells += share;
        }
  }
  for (std::size_t w = 0; w < inside.size() && cells > 0; ++w) {
    const double times = inside[w] / (all[w] + 1e-12) * static_cast<double>(rows * columns) / cells;
    if (times > kMoreThanOthers) out.push_back({w < map->labels.size() ? map->labels[w] : std::to_string(w), times});
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.times > b.times; });
  if (out.size() > kMost) out.resize(kMost);
  return out;
}

namespace {

// The share of samples that are the same to the bit, among those that are neither black nor white to the full: another picture has next to none, however
// like it looks, while one that was changed in a part keeps the rest.
double untouched_share(const Image& picture, const Image& made) {
  std::size_t same = 0, all = 0;
  for (std::size_t i = 0; i < made.pixels.size(); ++i) {
    if (made.pixels[i] == 0 || made.pixels[i] == 255) continue;
    ++all;
    same += picture.pixels[i] == made.pixels[i];
  }
  return all > 0 ? static_cast<double>(same) / static_cast<double>(all) : 0;
}

}  // namespace

std::optional<Finding> altered_after(const Image& picture, const Image& made) {
  constexpr double kSame = 0.5;        // levels: machines that round otherwise stay below
  constexpr double kSameScene = 0.75;  // correlation of the brightness
  constexpr double kUntouched = 0.25;  // share of equal samples that chance does not give
  if (!comparable(picture, made)) return {};
  const double difference = mean_difference(picture, made);
  if (difference <= kSame) return {};
  double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
  const auto n = static_cast<double>(picture.pixels.size());
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
    const double a = picture.pixels[i], b = made.pixels[i];
    sa += a, sb += b, aa += a * a, bb += b * b, ab += a * b;
  }
  const double correlation = (ab - sa * sb / n) / std::sqrt(std::max((aa - sa * sa / n) * (bb - sb * sb / n), 1e-9));
  const double untouched = untouched_share(picture, made);
  if (correlation < kSameScene && untouched < kUntouched) return {};
  return Finding{.detector = "looks", .subsystem = "postprocess", .cause = "pixels-changed", .first_step = -1, .last_step = -1, .severity = difference, .module = "",
                 .what = fmt::format("the picture was changed after the pipeline had made it: the same run gives the same scene (correlation {:.3f}, {:.0f} % of the samples equal), but samples differ by {:.2f} of 255 on average",
                                     correlation, 100 * untouched, difference),
                 .evidence = {{.statistic = "image.difference", .value = difference, .low = 0.0, .high = kSame, .step = -1, .note = "mean of the samples, 0..255"}}};
}

std::optional<Complaint> look(const Looks& looks, const TraceReader& trace, Experiment* experiment, const DiagnoseProgress& progress, Verdict& v) {
  const auto made = trace.image(0);
  const auto& picture = looks.picture ? looks.picture : made;
  if (!picture) {
    symptom_named(looks.symptom);
    v.notes.push_back("the run left no picture to look at");
    return {};
  }
  std::optional<Complaint> complaint(std::in_place, looks, trace, *picture, experiment, progress);
  v.looks = complaint->report();
  std::optional<Image> again = looks.picture ? made : std::nullopt;
  if (!again && experiment) {
    Interventions same = interventions_from_json(trace.run().value("interventions", Json::object()));
    same.restart.reset();
    if (trace.first_step() == 0) again = TraceReader(experiment->rerun(trace, same).run).image(0);
  }
  if (again)
    if (auto altered = altered_after(*picture, *again)) {
      if (can_cause(complaint->symptom(), altered->subsystem) || !complaint->seen()) v.findings.push_back(std::move(*altered));
    }
  const std::string symptom = complaint->symptom().name;
  if (!v.looks->score) v.notes.push_back("nothing could be rerun, so what is usual " + complaint->where() + " is not known: " + symptom + " was measured, not judged");
  else if (!complaint->seen())
    v.notes.push_back(fmt::format("{} {} is not seen by its measures: it is as in {} pictures of this prompt at the recommended settings (score {:.2f})", symptom, complaint->where(),
                                  v.looks->references, *v.looks->score));
  return complaint;
}

Finding cured_symptom(const Counterfactual& c, const std::string& cause, const Complaint& complaint) {
  return {.detector = "looks", .subsystem = c.subsystem, .cause = cause, .first_step = -1, .last_step = -1, .severity = 1, .module = "",
          .what = fmt::format("{} shows {} (score {:.2f} against {} pictures made as recommended), and one change of {} takes it away", complaint.symptom().name, complaint.where(),
                              complaint.report().score.value_or(0), complaint.report().references, c.subsystem),
          .evidence = complaint.report().evidence};
}

}  // namespace safelight
