// Many runs on the same processors: bytes, tolerance, order, cancelling, failures.
#include "engine/serving/step_batcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <stdexcept>

#include "common/base/error.h"
#include "common/measure/picture_difference.h"
#include "tests/engine/serving/model.h"

namespace safelight {
namespace {

ErrorCode code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::internal;
}

// What happened, in order, from any thread.
class Diary {
 public:
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(what);
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST(Serving, ReferenceKeepsTheBytesWhateverElseRuns) {
  const auto requests = mixed_requests();
  std::vector<GenerateResult> alone, served(requests.size());
  for (const GenerateRequest& r : requests) alone.push_back(run(nano(), r, {}));
  StepBatcher batcher;
  at_once(2 * requests.size(), [&](std::size_t i) {   // every other run shares batches
    GenerateResult result = batcher.run(nano(), requests[i / 2], {}, {.mode = i % 2 == 0 ? ServeMode::reference : ServeMode::fast, .priority = static_cast<int>(i % 3)});
    if (i % 2 == 0) served[i / 2] = std::move(result);
  });
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_TRUE(same_bytes(alone[i], served[i])) << requests[i].prompt;
}

TEST(Serving, FastHoldsItsToleranceWhateverShares) {
  const auto requests = mixed_requests();
  std::vector<GenerateResult> served(requests.size());
  StepBatcher batcher;
  Holder holder(batcher, requests.size());
  std::thread first([&] { served[0] = batcher.run(nano(), requests[0], holder.options(), kFast); });
  holder.wait();
  at_once(requests.size() - 1, [&](std::size_t i) { served[i + 1] = batcher.run(nano(), requests[i + 1], {}, kFast); });
  first.join();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const GenerateResult alone = run(nano(), requests[i], {});
    ASSERT_EQ(served[i].images.size(), alone.images.size());
    for (std::size_t n = 0; n < alone.images.size(); ++n) EXPECT_GE(psnr_db(served[i].images[n], alone.images[n]), kFastPsnr_db) << requests[i].prompt;
  }
  const TurnTotals totals = batcher.totals();
  EXPECT_GT(totals.shared, 0);
  EXPECT_GE(totals.most_calls, 4);
  EXPECT_LT(totals.passes, totals.calls);
}

TEST(Serving, ALoneFastRunKeepsTheBytes) {
  StepBatcher batcher;
  const GenerateRequest request = picture_of("a red circle", 9);
  EXPECT_TRUE(same_bytes(run(nano(), request, {}), batcher.run(nano(), request, {}, kFast)));
  EXPECT_EQ(batcher.totals().shared, 0);
}

TEST(Serving, BatchesKeepToTheirRows) {
  StepBatcher batcher({.max_rows = 4});   // two pictures with guidance
  Holder holder(batcher, 6);
  std::thread first([&] { batcher.run(nano(), picture_of("a red circle", 0), holder.options(), kFast); });
  holder.wait();
  at_once(5, [&](std::size_t i) { batcher.run(nano(), picture_of("a red circle", i + 1), {}, kFast); });
  first.join();
  EXPECT_EQ(batcher.totals().most_calls, 2);
}

TEST(Serving, AHigherPriorityGoesFirstFromTheNextStepOn) {
  StepBatcher batcher;
  Diary diary;
  const auto noting = [&](const std::string& who) { return RunOptions{.evaluated = [&diary, who](const Solver&) { diary.note(who); }}; };
  Holder holder(batcher, 3);
  std::thread early([&] { batcher.run(nano(), picture_of("a red circle", 1), holder.options(noting("early")), {}); });
  holder.wait();
  std::thread late([&] { batcher.run(nano(), picture_of("a blue square", 2), noting("late"), {}); });
  wait_until([&] { return batcher.runs() >= 2; });
  std::thread urgent([&] { batcher.run(nano(), picture_of("a green ring", 3), noting("urgent"), {.priority = 1}); });
  for (std::thread* t : {&early, &late, &urgent}) t->join();
  const std::vector<std::string> expected = {"early", "urgent", "urgent", "urgent", "urgent", "early", "early", "early", "late", "late", "late", "late"};
  EXPECT_EQ(diary.lines(), expected);
}

TEST(Serving, ACancelledRunLeavesAtItsNextStepAndDisturbsNobody) {
  const GenerateRequest request = picture_of("a blue square", 2);
  const GenerateResult alone = run(nano(), request, {});
  StepBatcher batcher;
  std::atomic<bool> stop = false;
  int evaluations = 0;
  GenerateResult served;
  Holder holder(batcher, 2);
  std::thread other([&] { served = batcher.run(nano(), request, holder.options(), {}); });
  holder.wait();
  RunOptions options{.evaluated = [&](const Solver&) { stop = ++evaluations == 2; }, .cancelled = [&] { return stop.load(); }};
  EXPECT_EQ(code_of([&] { batcher.run(nano(), picture_of("a red circle", 1), std::move(options), {.priority = 1}); }), ErrorCode::cancelled);
  other.join();
  EXPECT_EQ(evaluations, 2);
  EXPECT_TRUE(same_bytes(alone, served));
  EXPECT_EQ(batcher.runs(), 0u);
}

TEST(Serving, ARunThatWaitsCanBeCancelled) {
  StepBatcher batcher;
  std::atomic<bool> stop = false, left = false;
  // Held at its first evaluation until the other one has left, which never gets a turn meanwhile.
  RunOptions held{.evaluated = [&](const Solver&) {
    wait_until([&] { return batcher.runs() == 2 || left; });
    stop = true;
    wait_until([&] { return left.load(); });
  }};
  std::thread first([&] { batcher.run(nano(), picture_of("a red circle", 1), std::move(held), {}); });
  const auto directory = std::filesystem::temp_directory_path() / ("safelight-serving-" + std::to_string(::getpid()));
  std::filesystem::remove_all(directory);
  TraceFile trace(directory, record_of("waits"), {});
  wait_until([&] { return batcher.totals().passes > 0; });
  RunOptions options{.trace = &trace, .cancelled = [&] { return stop.load(); }};
  EXPECT_EQ(code_of([&] { batcher.run(nano(), picture_of("a blue square", 2), std::move(options), {}); }), ErrorCode::cancelled);
  left = true;
  first.join();
  EXPECT_EQ(TraceReader(directory).run()["status"], "cancelled");
  std::filesystem::remove_all(directory);
}

// Throws in every evaluation at which several runs share a batch.
class BreaksWhenShared final : public DenoiserDecorator {
 public:
  BreaksWhenShared() : DenoiserDecorator(nano().denoiser) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& c, const ForwardHooks& hooks) const override {
    if (x.size(0) > 2) throw Error(ErrorCode::out_of_memory, "no memory for so many rows");
    return inner().predict(x, timesteps, c, hooks);
  }
};

TEST(Serving, APassThatFailsFailsForThoseInItAndNobodyHangs) {
  Components broken = nano();
  broken.denoiser = std::make_shared<BreaksWhenShared>();
  StepBatcher batcher;
  std::atomic<int> failed = 0, finished = 0;
  const auto serve = [&](std::size_t i, RunOptions options, ServeMode mode) {
    try {
      batcher.run(broken, picture_of("a red circle", i), std::move(options), {.mode = mode});
      ++finished;
    } catch (const Error& e) {
      failed += e.code() == ErrorCode::out_of_memory;
    }
  };
  Holder holder(batcher, 5);
  std::thread first([&] { serve(0, holder.options(), ServeMode::fast); });
  holder.wait();
  at_once(4, [&](std::size_t i) { serve(i + 1, {}, i == 0 ? ServeMode::reference : ServeMode::fast); });
  first.join();
  EXPECT_EQ(failed, 4);
  EXPECT_EQ(finished, 1);   // in reference mode it is never in such a pass
  const GenerateRequest request = picture_of("a red circle", 1);
  EXPECT_TRUE(same_bytes(run(nano(), request, {}), batcher.run(broken, request, {}, kFast)));   // serving goes on
}

TEST(Serving, AFailureBetweenPassesStaysWithItsRun) {
  StepBatcher batcher;
  std::vector<GenerateResult> served(3);
  Holder holder(batcher, 4);
  std::thread first([&] { served[0] = batcher.run(nano(), picture_of("a red circle", 1), holder.options(), kFast); });
  holder.wait();
  at_once(3, [&](std::size_t i) {
    const GenerateRequest request = picture_of("a red circle", i + 2);
    if (i == 2) {
      RunOptions options{.evaluated = [](const Solver&) { throw std::runtime_error("the caller's own trouble"); }};
      EXPECT_THROW(batcher.run(nano(), request, std::move(options), kFast), std::runtime_error);
    } else {
      served[i + 1] = batcher.run(nano(), request, {}, kFast);
    }
  });
  first.join();
  for (const GenerateResult& r : served) EXPECT_EQ(r.images.size(), 1u);
  GenerateRequest wrong = picture_of("a red circle", 1);
  wrong.width = 63;
  EXPECT_EQ(code_of([&] { batcher.run(nano(), wrong, {}, kFast); }), ErrorCode::invalid_argument);
  EXPECT_EQ(batcher.runs(), 0u);
}

TEST(Serving, SixteenThreadsOfAllKindsEnd) {
  for (const int passes : {1, 2}) {
    StepBatcher batcher({.max_rows = 6, .passes = passes, .threads = 1});
    std::atomic<int> ended = 0, cancelled = 0;
    at_once(16, [&](std::size_t i) {
      for (std::size_t k = 0; k < 3; ++k, ++ended) {
        GenerateRequest request = mixed_requests()[(i + k) % 5];
        request.steps = request.scheduler.solver == "heun" ? 2 : 3;
        if (i % 7 == 3) request.width = 63;
        int evaluations = 0;
        RunOptions options{.evaluated = [&](const Solver&) { ++evaluations; }, .cancelled = [&] { return i % 5 == 0 && evaluations > 0; }};
        try {
          batcher.run(nano(), request, std::move(options), {.mode = (i + k) % 3 ? ServeMode::fast : ServeMode::reference, .priority = static_cast<int>((i * 7 + k) % 4)});
        } catch (const Error& e) {
          cancelled += e.code() == ErrorCode::cancelled;
        }
      }
    });
    EXPECT_EQ(ended, 48);
    EXPECT_EQ(cancelled, 3 * 3);   // 0, 5 and 15; 10 is refused
    EXPECT_EQ(batcher.runs(), 0u);
  }
}

TEST(Serving, PassesSideBySideKeepTheBytesToo) {
  StepBatcher batcher({.passes = 2, .threads = 1});
  const auto requests = mixed_requests();
  std::vector<GenerateResult> served(requests.size());
  at_once(requests.size(), [&](std::size_t i) { served[i] = batcher.run(nano(), requests[i], {}, {}); });
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_TRUE(same_bytes(run(nano(), requests[i], {}), served[i])) << requests[i].prompt;
}

TEST(Serving, SettingsThatMakeNoSenseAreRefused) {
  EXPECT_EQ(code_of([] { StepBatcher batcher({.max_rows = 0}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { StepBatcher batcher({.passes = 0}); }), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace safelight
