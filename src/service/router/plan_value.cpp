#include "service/router/plan_value.h"

#include <algorithm>

namespace safelight {
namespace {

constexpr double kNegligible = 1e-5;   // branches less likely than this count as unanswered

struct Branch {
  std::size_t step = 0;
  double probability = 1, elapsed_ms = 0, usd = 0;
  bool free_only = false;              // a paid call was given up before
};

class Valuation {
 public:
  Valuation(std::span<const StepOutlook* const> steps, const LossScale& scale) : steps_(steps), scale_(scale) {}

  PlanValue run() {
    visit({});
    return value_;
  }

 private:
  double money(double usd) const { return scale_.cap_usd > 0 ? scale_.cost * usd / scale_.cap_usd : 0; }

  void unanswered(const Branch& b) {
    value_.loss += b.probability * (money(b.usd) + scale_.time * std::min(b.elapsed_ms, scale_.deadline_ms) / scale_.limit_ms + kUnansweredPenalty);
    value_.usd += b.probability * b.usd;
  }

  void visit(Branch b) {
    for (; b.step < steps_.size(); ++b.step) {
      const StepOutlook& s = *steps_[b.step];
      if (b.free_only && s.usd > 0) continue;
      const StepTiming timing{s.p50_ms, s.sure_ms, s.queue_ms, reserve_ms(steps_, b.step, scale_.after_ambiguous), !(s.usd > 0)};
      const double may_ms = attempt_ms(timing, b.elapsed_ms, scale_.limit_ms, scale_.deadline_ms);
      if (may_ms > 0 && b.probability > kNegligible) return attempt(b, s, may_ms);
    }
    unanswered(b);
  }

  void attempt(const Branch& b, const StepOutlook& s, double may_ms) {
    const double calculating_ms = may_ms - s.queue_ms;
    const double within = s.latency.within(calculating_ms), answered = s.answers * within;
    const double in_limit = std::min(within, s.latency.within(scale_.limit_ms - b.elapsed_ms - s.queue_ms));
    const double time_ms = b.elapsed_ms + s.queue_ms + s.latency.mean_within(calculating_ms);
    value_.loss += b.probability * (answered * (money(b.usd + s.usd) + scale_.time * time_ms / scale_.limit_ms + scale_.quality * (1 - s.quality)) +
                                    s.answers * (within - in_limit) * kLatePenalty);
    value_.usd += b.probability * answered * (b.usd + s.usd);
    value_.answered += b.probability * answered;
    value_.on_time += b.probability * s.answers * in_limit;
    Branch failed = b, given_up = b;
    failed.step = given_up.step = b.step + 1;
    failed.probability *= 1 - s.answers;
    failed.elapsed_ms += std::min(may_ms, s.queue_ms + s.failure_ms);
    given_up.probability *= s.answers * (1 - within);
    given_up.elapsed_ms += may_ms;
    given_up.usd += s.usd;
    if (s.usd > 0 && scale_.after_ambiguous == AfterAmbiguous::free) given_up.free_only = true;
    if (s.usd > 0 && scale_.after_ambiguous == AfterAmbiguous::stop) given_up.step = steps_.size();
    visit(failed);
    visit(given_up);
  }

  std::span<const StepOutlook* const> steps_;
  const LossScale& scale_;
  PlanValue value_;
};

}  // namespace

AfterAmbiguous after_ambiguous(const SloFallback& fallback) {
  return fallback.after_ambiguous == "any" ? AfterAmbiguous::any : fallback.after_ambiguous == "stop" ? AfterAmbiguous::stop : AfterAmbiguous::free;
}

LossScale loss_scale(const Slo& slo, RouteMode mode) {
  const ModeTraits& t = traits(mode);
  return {.cost = t.cost, .time = t.time, .quality = t.quality, .cap_usd = slo.cost.per_image_usd, .limit_ms = static_cast<double>(slo.latency.limit_ms),
          .deadline_ms = static_cast<double>(slo.deadline_ms()), .percentile = slo.latency.percentile, .after_ambiguous = after_ambiguous(slo.fallback)};
}

double reserve_ms(std::span<const StepOutlook* const> steps, std::size_t i, AfterAmbiguous policy) {
  double out = -1;
  const bool paid = steps[i]->usd > 0;
  if (paid && policy == AfterAmbiguous::stop) return out;
  for (std::size_t k = i + 1; k < steps.size(); ++k) {
    if (paid && policy == AfterAmbiguous::free && steps[k]->usd > 0) continue;
    const double needs_ms = steps[k]->queue_ms + steps[k]->sure_ms;
    if (out < 0 || needs_ms < out) out = needs_ms;
  }
  return out;
}

double attempt_ms(const StepTiming& step, double elapsed_ms, double limit_ms, double deadline_ms) {
  const double until_deadline_ms = std::max(0.0, deadline_ms - elapsed_ms);
  const double own_ms = step.queue_ms + step.p50_ms;
  const bool last = step.reserve_ms < 0 || step.queue_ms + step.sure_ms <= step.reserve_ms;
  const double may_ms = last ? until_deadline_ms : std::max(0.0, limit_ms - elapsed_ms - step.reserve_ms);
  const bool try_anyway = step.reserve_ms < 0 && step.free;   // the last straw costs nothing
  return may_ms >= own_ms || try_anyway ? may_ms : 0;
}

PlanValue value_of(std::span<const StepOutlook* const> steps, const LossScale& scale) { return Valuation(steps, scale).run(); }

}  // namespace safelight
