#include "service/router/plan.h"

namespace safelight {
namespace {

Json to_json(const TaskProfile& p) {
  return {{"mode", name(p.mode)}, {"task", p.task}, {"quoted", p.quoted}, {"letters", p.letters}, {"objects", p.objects}, {"style", p.style}, {"width", p.width_px}, {"height", p.height_px}};
}

Json to_json(const RouteStep& s) {
  Json out = {{"model", s.row}, {"option", s.option}, {"rung", s.rung.empty() ? Json(nullptr) : Json(s.rung)}};
  if (!s.when.empty()) out["when"] = s.when;
  if (s.steps_share != 1) out["steps_share"] = s.steps_share;
  if (s.width_px > 0) out["width"] = s.width_px, out["height"] = s.height_px;
  if (!s.upscaler.empty()) out["upscaler"] = s.upscaler;
  out["usd"] = s.usd;
  out["expected"] = {{"queue_ms", s.queue_ms}, {"p50_ms", s.p50_ms}, {"slo_ms", s.slo_ms}, {"p99_ms", s.sure_ms}, {"answers", s.answers},
                     {"quality", s.quality_measured ? Json(s.quality) : Json(nullptr)}};
  out["why"] = s.why;
  return out;
}

}  // namespace

Json to_json(const RoutePlan& plan) {
  Json out = {{"slo", plan.slo}, {"profile", to_json(plan.profile)}, {"why", plan.why}, {"plan", Json::array()}, {"dropped", Json::array()}};
  for (const RouteStep& s : plan.steps) out["plan"].push_back(to_json(s));
  for (const DroppedRow& d : plan.dropped) out["dropped"].push_back({{"model", d.row}, {"code", d.code}, {"reason", d.reason}});
  out["expected"] = {{"loss", plan.value.loss}, {"usd", plan.value.usd}, {"on_time", plan.value.on_time}, {"answered", plan.value.answered}};
  out["limit_ms"] = plan.limit_ms;
  out["deadline_ms"] = plan.deadline_ms;
  out["panic"] = plan.panic;
  out["explored"] = plan.explored;
  return out;
}

}  // namespace safelight
