// Whose turn it is to compute. Many runs go on at once, each on a thread of its own, but the processors do one thing at a time: either one run's own
// arithmetic between its calls of the model, or a pass: one such call, or several that share a batch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace safelight {

struct DenoiseCall;

// A call of a part of the model; lives on the stack of the run that waits for it.
struct ModelCall {
  std::function<void()> compute;     // by itself
  DenoiseCall* denoise = nullptr;    // where it may share a batch
  std::exception_ptr error;          // why there is no result
};

struct TurnSettings {
  int64_t max_rows = 16;             // of a shared batch; a picture with guidance takes two
  int passes = 1;                    // computed side by side
  int threads = 0;                   // of each pass; 0: as many as the thread that makes this would use, shared out
};

// What was computed so far.
struct TurnTotals {
  int64_t passes = 0, shared = 0;    // of denoisers, and those among them with more than one call
  int64_t calls = 0, rows = 0;       // in all passes of denoisers
  int64_t most_calls = 0;            // in one pass
};

// Thread-safe. Order: the higher priority first, then who came first; it is looked at before every pass, so that it takes effect at the next step.
// A pass begins when nothing that could join it is on its way: every run of its priority waits, or its batch is full. There is no timer in it. Runs
// share batches with those of their own priority alone.
class Turns {
 public:
  explicit Turns(const TurnSettings& settings);
  ~Turns();                          // every run has left
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // One run's place in the order, from its construction on; used by the thread that makes it alone.
  class Run {
   public:
    // cancelled: asked now and then while the run waits, on its own thread; may be null.
    Run(Turns& turns, int priority, std::function<bool()> cancelled);
    ~Run();                          // gives up the turn for good
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    void begin();                    // waits for the first turn; does nothing afterwards
    // Gives up the turn, has the call computed and returns with the turn. Throws what the computing threw, and Error(cancelled) when the run is
    // cancelled before its call is taken up.
    void compute(ModelCall& call);

   private:
    friend class Turns;
    enum class State { away, waiting, computing, posted, in_pass };
    bool precedes(const Run& other) const { return priority_ != other.priority_ ? priority_ > other.priority_ : arrival_ < other.arrival_; }
    void wait(std::unique_lock<std::mutex>& lock);

    Turns& turns_;
    int priority_;
    int64_t arrival_ = 0;
    std::function<bool()> cancelled_;
    State state_ = State::away;
    ModelCall* call_ = nullptr;
    std::condition_variable wake_;
  };

  TurnTotals totals() const;
  std::size_t runs() const;          // that are here now, waiting or not

 private:
  struct Pass {
    std::vector<Run*> runs;          // in order; the first one leads
    bool full = false;               // nobody could join
  };
  void work();
  void dispatch();
  Run* first(Run::State state) const;
  Pass next_batch(int priority) const;
  Pass next_pass() const;
  static bool goes_before(const Run& ready, const Pass& pass);
  void count(const Pass& pass);
  static void compute(const Pass& pass) noexcept;

  TurnSettings settings_;
  mutable std::mutex mutex_;
  std::condition_variable due_wake_;
  std::vector<Run*> runs_;           // in order
  std::deque<Pass> due_;             // for the threads to take
  int computing_ = 0, passing_ = 0;  // runs with the turn; passes that are due or computed
  int64_t arrivals_ = 0;
  bool stopping_ = false;
  TurnTotals totals_;
  std::vector<std::thread> threads_;
};

}  // namespace safelight
