#include <cmath>

#include "insight/comparison/comparison.h"

namespace safelight {
namespace {

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }
Json number(const std::optional<double>& v) { return v ? number(*v) : Json(nullptr); }

Json numbers(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double v : values) out.push_back(number(v));
  return out;
}

Json json_of(const RunLabel& r) { return {{"id", r.id}, {"directory", r.directory}, {"prompt", r.prompt}, {"status", r.status}, {"steps", r.steps}}; }

Json json_of(const ParameterDifference& d) { return {{"path", d.path}, {"first", d.first}, {"second", d.second}, {"measured", d.measured}}; }

Json json_of(const StepPair& p) { return {{"first", p.first}, {"second", p.second}, {"timestep", number(p.timestep)}}; }

Json json_of(const LatentDifference& l) { return {{"steps_first", l.steps_first}, {"steps_second", l.steps_second}, {"distance", number(l.distance)}}; }

Json json_of(const SeriesDifference& s) {
  return {{"name", s.name}, {"unit", s.unit}, {"meaning", s.meaning}, {"scalar", s.scalar}, {"relative", number(s.relative)}, {"first_pair", s.first_pair},
          {"largest_pair", s.largest_pair}, {"difference", numbers(s.difference)}};
}

Json json_of(const PictureDifference& p) {
  return {{"index", p.index}, {"width", p.width}, {"height", p.height}, {"resized", p.resized}, {"mean", number(p.mean)}, {"psnr_db", number(p.psnr_db)},
          {"changed", number(p.changed)}, {"box", p.box}, {"columns", p.columns}, {"rows", p.rows}, {"grid", numbers(p.grid)}};
}

Json json_of(const WordDifference& w) {
  return {{"first", w.first}, {"second", w.second}, {"index_first", w.index_first}, {"index_second", w.index_second}, {"match", w.match},
          {"moved_mean", number(w.moved_mean)}, {"moved_most", number(w.moved_most)}, {"most_pair", w.most_pair}, {"share_first", number(w.share_first)},
          {"share_second", number(w.share_second)}, {"shift_x", number(w.shift_x)}, {"shift_y", number(w.shift_y)}, {"moved", numbers(w.moved)}};
}

template <class T>
Json list_of(const std::vector<T>& items) {
  Json out = Json::array();
  for (const T& item : items) out.push_back(json_of(item));
  return out;
}

Json json_of(const Sensitivity& s) {
  return {{"brittle", s.brittle}, {"why", s.why}, {"edited", s.edited}, {"words_changed", s.words_changed}, {"words", s.words}, {"move", number(s.move)},
          {"low", number(s.low)}, {"median", number(s.median)}, {"high", number(s.high)}, {"own_edit", number(s.own_edit)}};
}

}  // namespace

Json to_json(const Comparison& c) {
  return {{"format", "safelight-comparison/1"}, {"first", json_of(c.first)}, {"second", json_of(c.second)}, {"same_bytes", c.same_bytes},
          {"parting", {{"step", c.parting.step}, {"timestep", number(c.parting.timestep)}, {"by", c.parting.by}, {"half_steps", c.parting.half_steps}}},
          {"sensitivity", json_of(c.sensitivity)}, {"final_distance", number(c.final_distance)}, {"pictures", list_of(c.pictures)},
          {"parameters", list_of(c.parameters)}, {"words", list_of(c.words)}, {"latents", list_of(c.latents)}, {"latents_scaled", c.latents_scaled},
          {"same_schedule", c.same_schedule}, {"steps", list_of(c.steps)}, {"series", list_of(c.series)}, {"missing", c.missing}};
}

}  // namespace safelight
