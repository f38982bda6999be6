#include "engine/serving/turns.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>

#include "common/base/error.h"
#include "engine/serving/denoise_call.h"
#include "engine/tensor/threads.h"

namespace safelight {
namespace {

constexpr std::chrono::milliseconds kAskCancelled{50};   // how often a waiting run is asked: about a step of a small model

}  // namespace

Turns::Turns(const TurnSettings& settings) : settings_(settings) {
  if (settings.max_rows < 1 || settings.passes < 1 || settings.threads < 0)
    throw Error(ErrorCode::invalid_argument, "serving takes at least one row in a batch, at least one pass at a time and no negative number of threads");
  if (settings_.threads == 0) settings_.threads = std::max(1, at::get_num_threads() / settings_.passes);
  for (int i = 0; i < settings_.passes; ++i) threads_.emplace_back([this] { work(); });
}

Turns::~Turns() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  due_wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

TurnTotals Turns::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::size_t Turns::runs() const {
  const std::lock_guard lock(mutex_);
  return runs_.size();
}

Turns::Run* Turns::first(Run::State state) const {
  const auto it = std::find_if(runs_.begin(), runs_.end(), [&](const Run* r) { return r->state_ == state; });
  return it == runs_.end() ? nullptr : *it;
}

// The first evaluation of this priority that waits, and the others of it that fit beside it: rows of a lower priority would make it wait for them. Passes
// side by side share what waits.
Turns::Pass Turns::next_batch(int priority) const {
  Pass pass;
  std::vector<Run*> fitting;
  int64_t waiting = 0, rows = 0;
  for (Run* r : runs_) {
    if (r->priority_ != priority || r->state_ != Run::State::posted || !r->call_->denoise) continue;
    if (!fitting.empty() && !fit_together(*fitting.front()->call_->denoise, *r->call_->denoise)) continue;
    fitting.push_back(r);
    waiting += r->call_->denoise->rows();
  }
  const int64_t free = std::max(1, settings_.passes - passing_), limit = std::min(settings_.max_rows, (waiting + free - 1) / free);
  for (Run* r : fitting) {
    const int64_t more = r->call_->denoise->rows();
    if (!pass.runs.empty() && rows + more > limit) continue;
    pass.runs.push_back(r);
    rows += more;
  }
  pass.full = rows >= settings_.max_rows || (!fitting.empty() && !fitting.front()->call_->denoise->may_share());
  return pass;
}

// Of the highest priority that waits: texts and pictures first, since the one lets a run join the others and the other lets it leave; but not before a
// full batch of runs that came earlier.
Turns::Pass Turns::next_pass() const {
  const Run* top = first(Run::State::posted);
  if (!top) return {};
  Pass batch = next_batch(top->priority_);
  const auto single = std::find_if(runs_.begin(), runs_.end(), [&](const Run* r) { return r->priority_ == top->priority_ && r->state_ == Run::State::posted && !r->call_->denoise; });
  if (single == runs_.end() || (batch.full && batch.runs.back()->precedes(**single))) return batch;
  return {.runs = {*single}, .full = true};
}

// Whether a run that is ready for its own arithmetic goes before the pass. It posts its next call soon, and joins; that is of no use to a pass of a
// higher priority, or to one that is full.
bool Turns::goes_before(const Run& ready, const Pass& pass) {
  if (pass.runs.empty()) return true;
  const Run& lead = *pass.runs.front();
  if (ready.priority_ != lead.priority_) return ready.priority_ > lead.priority_;
  return !pass.full || ready.precedes(*pass.runs.back());
}

// Gives away the processors. Called with the lock held whenever something has changed.
void Turns::dispatch() {
  while (computing_ + passing_ < settings_.passes) {
    Pass pass = next_pass();
    Run* ready = first(Run::State::waiting);
    if (ready && goes_before(*ready, pass)) {
      ready->state_ = Run::State::computing;
      ++computing_;
      ready->wake_.notify_one();
      continue;
    }
    if (pass.runs.empty() || (computing_ > 0 && !pass.full)) return;
    for (Run* r : pass.runs) r->state_ = Run::State::in_pass;
    count(pass);
    ++passing_;
    due_.push_back(std::move(pass));
    due_wake_.notify_one();
  }
}

void Turns::count(const Pass& pass) {
  if (!pass.runs.front()->call_->denoise) return;
  const auto calls = static_cast<int64_t>(pass.runs.size());
  ++totals_.passes;
  totals_.shared += calls > 1;
  totals_.calls += calls;
  totals_.most_calls = std::max(totals_.most_calls, calls);
  for (const Run* r : pass.runs) totals_.rows += r->call_->denoise->rows();
}

void Turns::compute(const Pass& pass) noexcept {
  try {
    if (pass.runs.size() == 1) return pass.runs.front()->call_->compute();
    std::vector<DenoiseCall*> calls;
    for (const Run* r : pass.runs) calls.push_back(r->call_->denoise);
    compute_together(calls);
    for (const Run* r : pass.runs) r->call_->error = r->call_->denoise->error;
  } catch (...) {
    for (const Run* r : pass.runs) r->call_->error = std::current_exception();
  }
}

void Turns::work() {
  set_compute_threads(settings_.threads);
  const at::NoGradGuard no_grad;
  std::unique_lock lock(mutex_);
  for (;;) {
    due_wake_.wait(lock, [&] { return stopping_ || !due_.empty(); });
    if (due_.empty()) return;
    const Pass pass = std::move(due_.front());
    due_.pop_front();
    lock.unlock();
    compute(pass);
    lock.lock();
    for (Run* r : pass.runs) r->state_ = Run::State::waiting;
    --passing_;
    dispatch();
  }
}

Turns::Run::Run(Turns& turns, int priority, std::function<bool()> cancelled) : turns_(turns), priority_(priority), cancelled_(std::move(cancelled)) {
  const std::lock_guard lock(turns_.mutex_);
  arrival_ = turns_.arrivals_++;
  auto& runs = turns_.runs_;
  runs.insert(std::upper_bound(runs.begin(), runs.end(), this, [](const Run* a, const Run* b) { return a->precedes(*b); }), this);
}

Turns::Run::~Run() {
  const std::lock_guard lock(turns_.mutex_);
  if (state_ == State::computing) --turns_.computing_;
  std::erase(turns_.runs_, this);
  turns_.dispatch();
}

void Turns::Run::begin() {
  std::unique_lock lock(turns_.mutex_);
  if (state_ != State::away) return;
  state_ = State::waiting;
  wait(lock);
}

void Turns::Run::compute(ModelCall& call) {
  {
    std::unique_lock lock(turns_.mutex_);
    if (state_ == State::computing) --turns_.computing_;
    call_ = &call;
    state_ = State::posted;
    wait(lock);
    call_ = nullptr;
  }
  if (call.error) std::rethrow_exception(call.error);
}

// Until it has the turn. Leaves by an exception only while nobody computes its call.
void Turns::Run::wait(std::unique_lock<std::mutex>& lock) {
  turns_.dispatch();
  std::exception_ptr stop;
  const auto may_leave = [&] { return state_ == State::waiting || state_ == State::posted; };
  while (state_ != State::computing) {
    if (!cancelled_) {
      wake_.wait(lock);
      continue;
    }
    wake_.wait_for(lock, kAskCancelled);
    if (!stop && may_leave()) {
      lock.unlock();   // what is asked may itself wait for a run
      try {
        if (cancelled_()) throw Error(ErrorCode::cancelled, "cancelled on request");
      } catch (...) {
        stop = std::current_exception();
      }
      lock.lock();
    }
    if (!stop || !may_leave()) continue;
    state_ = State::away;
    turns_.dispatch();
    std::rethrow_exception(stop);
  }
  if (stop) std::rethrow_exception(stop);
}

}  // namespace safelight
