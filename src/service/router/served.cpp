#include "service/router/served.h"

#include "service/router/ladder.h"

namespace safelight {

ServedRecord::ServedRecord(const RoutePlan& plan, const ImageRequest& request) : plan_(plan) {
  served_.asked_model = request.model;
  served_.asked_width_px = request.width_px;
  served_.asked_height_px = request.height_px;
  if (!plan.steps.empty()) served_.first_choice = plan.steps.front().option;
}

void ServedRecord::moved(const Move& move) {
  last_ = move;
  served_.why.push_back(move.why);
}

void ServedRecord::attempted(double usd, double possible_usd) {
  ++served_.attempts;
  served_.usd += usd;
  served_.possible_usd += possible_usd;
}

Served ServedRecord::finish(double elapsed_ms, const std::optional<Judgement>& judgement) const {
  Served out = served_;
  out.ms = elapsed_ms;
  if (last_.kind != MoveKind::deliver) return out;
  const RouteStep& s = plan_.steps.at(last_.step);
  out.model = s.row, out.option = s.option, out.rung = s.rung;
  out.width_px = s.width_px > 0 ? s.width_px : out.asked_width_px, out.height_px = s.height_px > 0 ? s.height_px : out.asked_height_px;
  out.steps_share = s.steps_share, out.upscaler = s.upscaler;
  if (judgement) out.shown = judgement->shown;
  out.on_time = elapsed_ms <= plan_.limit_ms;
  const RungTraits* rung = find_rung(s.rung);
  const bool lesser = rung && rung->lesser, other_model = !out.asked_model.empty() && out.asked_model != s.row;
  out.outcome = lesser || other_model || !out.shown.empty() ? "degraded" : "full";
  return out;
}

std::string label(const Served& s) {
  if (s.outcome == "full") return "";
  std::string text = s.outcome;
  if (!s.rung.empty()) text += " (" + s.rung + ")";
  for (const std::string& mode : s.shown) text += " [" + mode + "]";
  return s.why.empty() ? text : text + ": " + s.why.back();
}

Json to_json(const Served& s) {
  return {{"outcome", s.outcome},
          {"label", label(s)},
          {"asked", {{"model", s.asked_model}, {"width", s.asked_width_px}, {"height", s.asked_height_px}}},
          {"first_choice", s.first_choice},
          {"served", {{"model", s.model}, {"option", s.option}, {"rung", s.rung}, {"width", s.width_px}, {"height", s.height_px}, {"steps_share", s.steps_share}, {"upscaler", s.upscaler}}},
          {"why", s.why},
          {"shown", s.shown},
          {"attempts", s.attempts},
          {"usd", s.usd},
          {"possible_usd", s.possible_usd},
          {"ms", s.ms},
          {"on_time", s.on_time}};
}

}  // namespace safelight
