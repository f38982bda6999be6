#include "engine/facade/thread_choice.h"

#include <gtest/gtest.h>

#include "common/base/processors.h"

namespace safelight {
namespace {

TEST(ThreadChoice, SmallModelsRunSideBySideAndLargeOnesWithAllThreads) {
  const ThreadChoice small = thread_choice(30'000'000, 0), large = thread_choice(std::uint64_t{2} << 30, 0);
  EXPECT_EQ(small.of_a_run, 1);
  EXPECT_EQ(small.runs_at_once, processors());
  EXPECT_EQ(large.of_a_run, processors());
  EXPECT_EQ(large.runs_at_once, 1);
}

TEST(ThreadChoice, WhatIsAskedForIsTaken) {
  for (const std::uint64_t bytes : {std::uint64_t{1} << 20, std::uint64_t{1} << 33}) {
    const ThreadChoice c = thread_choice(bytes, 3);
    EXPECT_EQ(c.of_a_run, 3);
    EXPECT_EQ(c.runs_at_once, 1);
  }
}

}  // namespace
}  // namespace safelight
