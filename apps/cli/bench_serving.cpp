#include "apps/cli/bench_serving.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <random>
#include <thread>

#include "apps/lab/bench_spread.h"
#include "common/base/processors.h"
#include "common/measure/picture_difference.h"
#include "engine/serving/step_batcher.h"
#include "engine/tensor/threads.h"

namespace safelight::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What is served, in the order of arrival.
struct Load {
  const Components& components;
  GenerateRequest request;               // of the first; the others have the following seeds
  std::vector<double> arrivals;          // seconds from the start
  GenerateRequest at(std::size_t i) const {
    GenerateRequest r = request;
    r.seed += i;
    return r;
  }
};

struct Served {
  std::vector<double> latency_s;
  std::vector<Image> pictures;
  double seconds = 0;                    // from the first arrival to the last picture
};

// Independent customers: gaps of an exponential distribution, the same for every server.
std::vector<double> poisson(std::size_t count, double per_second, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> out;
  double t = 0;
  for (std::size_t i = 0; i < count; ++i) {
    t -= std::log(1 - static_cast<double>(random() >> 11) * 0x1p-53) / per_second;
    out.push_back(t);
  }
  return out;
}

// Each task on a thread of its own; the first failure is thrown once all have ended.
void on_threads(std::size_t count, const std::function<void(std::size_t)>& task) {
  std::mutex mutex;
  std::exception_ptr failed;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      try {
        task(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failed) failed = std::current_exception();
      }
    });
  for (std::thread& t : threads) t.join();
  if (failed) std::rethrow_exception(failed);
}

class Stopclock {
 public:
  explicit Stopclock(const Load& load) : load_(load), start_(Clock::now()) {
    out_.latency_s.resize(load.arrivals.size());
    out_.pictures.resize(load.arrivals.size());
  }
  void wait_for_arrival(std::size_t i) const { std::this_thread::sleep_until(start_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(load_.arrivals[i]))); }
  void finished(std::size_t i, Image picture) {
    out_.latency_s[i] = seconds_since(start_) - load_.arrivals[i];
    out_.pictures[i] = std::move(picture);
  }
  Served result() {
    for (std::size_t i = 0; i < load_.arrivals.size(); ++i) out_.seconds = std::max(out_.seconds, load_.arrivals[i] + out_.latency_s[i] - load_.arrivals.front());
    return std::move(out_);
  }

 private:
  const Load& load_;
  Clock::time_point start_;
  Served out_;
};

Served one_by_one(const Load& load, int threads) {
  Stopclock clock(load);
  on_threads(1, [&](std::size_t) {
    set_compute_threads(threads);
    for (std::size_t i = 0; i < load.arrivals.size(); ++i) {
      clock.wait_for_arrival(i);
      clock.finished(i, run(load.components, load.at(i), {}).images.front());
    }
  });
  return clock.result();
}

Served batched(const Load& load, StepBatcher& batcher, ServeMode mode) {
  Stopclock clock(load);
  on_threads(load.arrivals.size(), [&](std::size_t i) {
    clock.wait_for_arrival(i);
    clock.finished(i, batcher.run(load.components, load.at(i), {}, {.mode = mode}).images.front());
  });
  return clock.result();
}

// Processors laid out for passes: small models are done sooner by one thread, others by all, so both are tried.
struct Layout {
  int passes = 1, threads = 1;
  double one_by_one = 0, side_by_side = 0, batched = 0;   // pictures a second with all of them there at once; side_by_side: no shared batches
  Json json() const { return {{"passes", passes}, {"threads", threads}, {"one_by_one", one_by_one}, {"side_by_side", side_by_side}, {"batched", batched}}; }
};

Layout measured(Layout layout, const Components& components, const GenerateRequest& request, int rows) {
  constexpr int kFew = 6, kMany = 16;
  const auto load = [&](int count) { return Load{.components = components, .request = request, .arrivals = std::vector<double>(static_cast<std::size_t>(count), 0.0)}; };
  StepBatcher batcher({.max_rows = rows, .passes = layout.passes, .threads = layout.threads});
  one_by_one(load(1), layout.threads);                // makes plans and touches memory
  batched(load(kFew), batcher, ServeMode::fast);
  layout.one_by_one = kFew / one_by_one(load(kFew), layout.threads).seconds;
  layout.side_by_side = kFew / batched(load(kFew), batcher, ServeMode::reference).seconds;
  layout.batched = kMany / batched(load(kMany), batcher, ServeMode::fast).seconds;
  return layout;
}

double quantile(std::vector<double> v, double q) {
  std::sort(v.begin(), v.end());
  return v[std::min(v.size() - 1, static_cast<std::size_t>(q * static_cast<double>(v.size())))];
}

// All rounds of one server at one load.
struct Account {
  std::vector<double> latency_s;
  double seconds = 0;
  void add(const Served& s) {
    latency_s.insert(latency_s.end(), s.latency_s.begin(), s.latency_s.end());
    seconds += s.seconds;
  }
  double per_second() const { return static_cast<double>(latency_s.size()) / seconds; }
  Json json() const { return {{"images_per_second", per_second()}, {"p50_s", quantile(latency_s, 0.5)}, {"p95_s", quantile(latency_s, 0.95)}}; }
};

class ServingBench {
 public:
  ServingBench(Context& context, const ModelBench& wanted) : wanted_(wanted) {
    request_.model = wanted.model;
    request_.prompt = wanted.prompt;
    request_.width = request_.height = wanted.size_px;
    request_.dtype = wanted.dtype.empty() ? "float32" : wanted.dtype;
    request_.steps = wanted.steps;
    request_.probes = "none";
    components_ = context.engine().open(request_);
    const int asked = wanted.threads > 0 ? wanted.threads : context.threads;
    threads_ = asked > 0 ? asked : processors();
  }

  Json run() {
    ProgressBar bar(true);
    bar.show("measuring what each server sustains", 0, 0, "");
    layouts_.push_back(measured({.passes = 1, .threads = threads_}, *components_, request_, wanted_.rows));
    if (threads_ > 1) layouts_.push_back(measured({.passes = threads_, .threads = 1}, *components_, request_, wanted_.rows));
    const auto best = [&](double Layout::*what) { return *std::max_element(layouts_.begin(), layouts_.end(), [&](const Layout& a, const Layout& b) { return a.*what < b.*what; }); };
    alone_ = best(&Layout::one_by_one);
    shared_ = best(&Layout::batched);
    StepBatcher batcher({.max_rows = wanted_.rows, .passes = shared_.passes, .threads = shared_.threads});
    std::vector<Account> alone(wanted_.loads.size()), shared(wanted_.loads.size());
    std::vector<TurnTotals> totals(wanted_.loads.size());
    for (int round = 0; round < wanted_.rounds; ++round)
      for (std::size_t k = 0; k < wanted_.loads.size(); ++k) {
        const double done = (round + static_cast<double>(k) / static_cast<double>(wanted_.loads.size())) / wanted_.rounds;
        bar.show("serving", done, 0, fmt::format("load {:g}, round {} of {},", wanted_.loads[k], round + 1, wanted_.rounds));
        one_load(k, round, batcher, alone[k], shared[k], totals[k]);
      }
    return report(alone, shared, totals);
  }

 private:
  // Both servers, in changing order, on the same arrivals.
  void one_load(std::size_t k, int round, StepBatcher& batcher, Account& alone, Account& shared, TurnTotals& total) {
    const double per_second = wanted_.loads[k] * alone_.one_by_one;
    const auto count = static_cast<std::size_t>(wanted_.requests);
    const Load load{.components = *components_, .request = request_, .arrivals = poisson(count, per_second, static_cast<std::uint64_t>(round) + 1)};
    Served first, second;
    const auto before = batcher.totals();
    if (round % 2 == 0) first = one_by_one(load, alone_.threads);
    second = batched(load, batcher, ServeMode::fast);
    if (round % 2 == 1) first = one_by_one(load, alone_.threads);
    const auto after = batcher.totals();
    total.passes += after.passes - before.passes;
    total.calls += after.calls - before.calls;
    alone.add(first);
    shared.add(second);
    for (std::size_t i = 0; i < first.pictures.size(); ++i) psnr_db_.push_back(psnr_db(first.pictures[i], second.pictures[i]));
  }

  Json report(const std::vector<Account>& alone, const std::vector<Account>& shared, const std::vector<TurnTotals>& totals) const {
    Json loads = Json::array();
    for (std::size_t k = 0; k < alone.size(); ++k)
      loads.push_back({{"load", wanted_.loads[k]}, {"offered_per_second", wanted_.loads[k] * alone_.one_by_one}, {"one_by_one", alone[k].json()}, {"batched", shared[k].json()},
                       {"throughput_ratio", shared[k].per_second() / alone[k].per_second()},
                       {"mean_pictures_in_a_pass", static_cast<double>(totals[k].calls) / static_cast<double>(std::max<int64_t>(1, totals[k].passes))}});
    Json layouts = Json::array();
    for (const Layout& l : layouts_) layouts.push_back(l.json());
    const GenerateRequest resolved = resolved_request(*components_, request_, {});
    return {{"model", components_->name}, {"dtype", components_->dtype}, {"width", resolved.width}, {"height", resolved.height}, {"steps", resolved.steps},
            {"threads", threads_}, {"rows", wanted_.rows}, {"requests", wanted_.requests}, {"rounds", wanted_.rounds},
            {"layouts", layouts}, {"one_by_one", alone_.json()}, {"batched", shared_.json()}, {"serving", loads},
            {"psnr_db", {{"lowest", quantile(psnr_db_, 0)}, {"median", quantile(psnr_db_, 0.5)}}}};
  }

  const ModelBench& wanted_;
  GenerateRequest request_;
  std::shared_ptr<const Components> components_;
  int threads_ = 1;
  std::vector<Layout> layouts_;
  Layout alone_, shared_;         // the best of them for each server
  std::vector<double> psnr_db_;   // of every picture against that of one-by-one serving
};

}  // namespace

Json bench_serving(Context& context, const ModelBench& wanted) { return ServingBench(context, wanted).run(); }

}  // namespace safelight::app
