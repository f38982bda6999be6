#include "common/base/side_by_side.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace safelight {
namespace {

TEST(SideBySide, DoesEveryPieceOnce) {
  for (const int at_once : {-1, 0, 1, 3, 64}) {
    std::vector<std::atomic<int>> done(40);
    side_by_side(done.size(), at_once, [&](std::size_t i) { ++done[i]; });
    for (const auto& times : done) EXPECT_EQ(times, 1) << at_once;
  }
  side_by_side(0, 4, [](std::size_t) { FAIL(); });
}

TEST(SideBySide, WorksOnAsManyAtOnceAsAsked) {
  std::atomic<int> now = 0, most = 0;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  side_by_side(24, 3, [&](std::size_t) {
    const int here = ++now;
    for (int seen = most; here > seen && !most.compare_exchange_weak(seen, here);) {}
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --now;
  });
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
  EXPECT_LE(threads.size(), 3u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
  side_by_side(2, 1, [here = std::this_thread::get_id()](std::size_t) { EXPECT_EQ(std::this_thread::get_id(), here); });
}

TEST(SideBySide, BeginsNothingAfterAnErrorAndGivesItOn) {
  for (const int at_once : {1, 4}) {
    std::atomic<int> begun = 0;
    try {
      side_by_side(1000, at_once, [&](std::size_t i) {
        ++begun;
        if (i == 5) throw std::runtime_error("the sixth");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      });
      FAIL();
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "the sixth");
    }
    EXPECT_LT(begun, 100);
  }
}

}  // namespace
}  // namespace safelight
