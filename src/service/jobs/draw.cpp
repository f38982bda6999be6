#include "service/jobs/draw.h"

#include <cmath>
#include <mutex>

#include "common/base/error.h"
#include "service/jobs/enlarge.h"
#include "service/providers/attempt_json.h"
#include "service/router/spend.h"

namespace safelight {
namespace {

constexpr int kUsualSteps = 20;  // of which fewer-steps takes a share where the request names none

class Walker {
 public:
  Walker(const DrawRequest& request, JobServices& services, const PictureKeeper& keep)
      : request_(request), services_(services), slo_(services.router.slo(request.slo)), keep_(keep),
        ledger_(services.ledger, services.router.spending(), lock_, slo_.name, slo_.cost.per_day_usd), start_ms_(services.clock.steady_ms()) {}

  Drawn run() {
    Drawn out;
    RouteRequest route{.id = request_.job, .image = request_.image, .profile = task_profile(request_.image, route_mode(slo_.mode)), .queue_ms = {}, .pinned = request_.pinned, .closed = {}};
    route.closed = unreachable_rows(services_.catalogue, services_.injected, services_.credentials);
    out.plan = services_.router.plan(route, slo_.name, now());
    ServedRecord record(out.plan, request_.image);
    Walk walk;
    Move move = first_move(out.plan, walk);
    record.moved(move);
    std::optional<Judgement> judgement;
    while (move.kind == MoveKind::attempt) {
      AttemptResult result = attempt(out, out.plan.steps.at(move.step), move, record);
      result.step = move.step;
      judgement = result.judgement;
      walk.elapsed_ms = elapsed_ms();
      move = next_move(out.plan, walk, result);
      record.moved(move);
    }
    out.served = record.finish(elapsed_ms(), judgement);
    finish(out, move);
    services_.router.served(slo_.name, out.served, judgement ? std::optional<bool>(judgement->shown.empty()) : std::nullopt, now());
    return out;
  }

 private:
  double elapsed_ms() const { return static_cast<double>(services_.clock.steady_ms() - start_ms_); }
  // One clock for both, so that what the ledger remembers of earlier processes has its place in time.
  Moment now() const { return {services_.clock.unix_ms(), services_.clock.unix_ms()}; }

  ImageRequest asked_of(const RouteStep& step, const Move& move) {
    ImageRequest image = request_.image;
    image.model = step.row;
    image.deadline_ms = std::max<std::int64_t>(1, std::llround(move.timeout_ms));
    image.job = request_.job + "/" + std::to_string(attempts_++);
    image.allow_successor = false;  // the route decides who follows
    if (step.width_px > 0) image.width_px = step.width_px, image.height_px = step.height_px;
    if (step.steps_share != 1) image.steps = std::max(1, static_cast<int>(std::lround(step.steps_share * image.steps.value_or(kUsualSteps))));
    return image;
  }

  AttemptResult attempt(Drawn& out, const RouteStep& step, const Move& move, ServedRecord& record) {
    AttemptResult result;
    out.image.reset();
    if (!services_.router.admit(out.plan, step, now())) {
      result.failure = ProviderFailure{.failure = FailureClass::transient, .message = "its breaker is open, or the SLO's budget for further paid calls is used up; nothing was sent"};
      return result;
    }
    ImageOutcome outcome = send(asked_of(step, move));
    for (const AttemptRecord& a : outcome.attempts) record.attempted(a.cost.usd, a.cost.possible_usd);
    const double took_ms = outcome.attempts.empty() ? 0 : static_cast<double>(outcome.attempts.back().duration_ms);
    out.warnings.insert(out.warnings.end(), outcome.warnings.begin(), outcome.warnings.end());
    out.attempts.insert(out.attempts.end(), outcome.attempts.begin(), outcome.attempts.end());
    std::optional<bool> right;
    if (outcome.images.empty()) {
      result.failure = outcome.failure;
    } else {
      out.image = std::move(outcome.images.front());
      if (services_.judge)
        if (const auto verdict = services_.judge(out.image->bytes, request_.image.prompt)) result.judgement = judge(slo_.failures, *verdict);
      if (result.judgement) right = result.judgement->shown.empty();
    }
    services_.router.attempted(out.plan, step, {result.failure, took_ms, right}, now());
    return result;
  }

  ImageOutcome send(const ImageRequest& image) {
    ProviderContext context{.catalogue = services_.catalogue, .transport = services_.transport, .ledger = ledger_, .clock = services_.clock, .credentials = services_.credentials,
                            .retry = services_.retry, .injected = services_.injected, .cancel = services_.cancel, .on_preview = {}, .keep = keep_};
    try {
      return generate_image(image, context);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::conflict) throw;  // a full disk ends the run; a spend cap that is reached only this step
      ImageOutcome outcome{.requested_model = image.model, .served_model = image.model};
      outcome.failure = ProviderFailure{.failure = FailureClass::over_budget, .message = e.what()};
      return outcome;
    }
  }

  void finish(Drawn& out, const Move& last) {
    if (last.kind != MoveKind::deliver || !out.image) {
      out.image.reset();
      out.failure = last.why;
      for (const AttemptRecord& a : out.attempts) out.uncertain = out.uncertain || a.cost.possible_usd > 0 || (a.cost.usd > 0 && a.images == 0);
      return;
    }
    const ImageRequest& asked = request_.image;
    if (!out.served.upscaler.empty() && asked.width_px > 0 && (out.image->width_px != asked.width_px || out.image->height_px != asked.height_px)) enlarge(*out.image, asked.width_px, asked.height_px);
  }

  const DrawRequest& request_;
  JobServices& services_;
  const Slo& slo_;
  const PictureKeeper& keep_;
  std::mutex lock_;
  CappedLedger ledger_;
  std::int64_t start_ms_;
  int attempts_ = 0;
};

}  // namespace

Drawn draw(const DrawRequest& request, JobServices& services, const PictureKeeper& keep) { return Walker(request, services, keep).run(); }

Json to_json(const Drawn& drawn) {
  Json out = {{"route", to_json(drawn.served)}, {"plan", to_json(drawn.plan)}, {"attempts", Json::array()}, {"warnings", drawn.warnings}};
  for (const AttemptRecord& a : drawn.attempts) out["attempts"].push_back(to_json(a));
  return out;
}

}  // namespace safelight
