// The trajectory (P04, P05, P08): local error, curvature, log-SNR steps, what is left after the last step, and what the
// raw output says about its prediction type.
#include <cmath>

#include "engine/probes/table.h"
#include "engine/probes/vectors.h"

namespace safelight {
namespace {

double log_snr(const Node& n) { return 2 * std::log((n.alpha + 1e-6) / (n.sigma + 1e-6)); }

class Scheduler final : public Probe {
 public:
  void on_start(const RunView& view, TraceWriter& trace) override {
    nodes_ = view.nodes;
    trace.declare({"scheduler.local_error", "", {}, "scheduler", "distance of the step from a first-order step", {}});
    trace.declare({"scheduler.curvature", "", {}, "scheduler", "1 - cosine of successive noise estimates", {}});
    trace.declare({"scheduler.log_snr_step", "", {}, "scheduler", "how far the step goes in log-SNR", {}});
    trace.declare({"prediction.rho", "", {}, "scheduler", "correlation of raw output and noisy latent (near 1 at first: noise; near 0: v)", {}});
    trace.declare({"prediction.std", "", {}, "scheduler", "spread of the noise estimate (1: as the schedule says)", {}});
    trace.declare({"scheduler.misled", "training steps", {}, "scheduler", "timestep that the network was told, less the solver's", {}});
    Json nodes = Json::array();
    for (const Node& n : view.nodes) nodes.push_back({n.alpha, n.sigma, n.timestep});
    trace.fact("scheduler", "solver", view.request.scheduler.solver);
    trace.fact("scheduler", "prediction", name(view.scheduler.prediction));
    trace.fact("scheduler", "steps_requested", view.request.steps);
    trace.fact("scheduler", "steps_planned", view.nodes.size() - 1);
    trace.fact("scheduler", "nodes", nodes);
  }

  void on_step(const StepView& s, TraceWriter& trace) override {
    trace.series("scheduler.misled", s.misled);
    const auto raw = values_of(s.guided), x = values_of(s.x), eps = values_of(s.eps), x0 = values_of(s.x0), next = values_of(s.x_next);
    const double difference = sum_over(x.size(), [&](std::size_t i) {
      const double beyond_first_order = next[i] - (s.next.alpha * x0[i] + s.next.sigma * eps[i]);
      return beyond_first_order * beyond_first_order;
    });
    trace.series("scheduler.local_error", std::sqrt(difference / (dot(next, next) + 1e-12)));
    if (!previous_.empty()) trace.series("scheduler.curvature", 1 - dot(eps, previous_) / (norm(eps) * norm(previous_) + 1e-12));
    previous_.assign(eps.begin(), eps.end());
    trace.series("scheduler.log_snr_step", log_snr(s.next) - log_snr(s.node));
    trace.series("prediction.rho", correlation(raw, x));
    trace.series("prediction.std", moments(eps).std);
    if (static_cast<std::size_t>(s.index) + 2 == nodes_.size()) {
      double residual = 0, total = 1e-12;
      for (std::size_t i = 0; i < x0.size(); ++i) {
        residual += (next[i] - x0[i]) * (next[i] - x0[i]);
        total += static_cast<double>(next[i]) * next[i];
      }
      trace.fact("scheduler", "residual_noise", std::sqrt(residual / total));
    }
    trace.fact("scheduler", "steps_executed", s.index + 1);
  }

 private:
  std::vector<Node> nodes_;
  std::vector<float> previous_;
};

}  // namespace

ProbeEntry scheduler() { return {"scheduler", "local error, curvature, log-SNR steps, residual noise, prediction type", make_probe<Scheduler>}; }

}  // namespace safelight
