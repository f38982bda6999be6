#include "common/base/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace safelight {

void side_by_side(std::size_t count, int at_once, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr first;
  const auto take_all = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        next = count;
      }
    }
  };
  const std::size_t threads = std::min(count, static_cast<std::size_t>(std::max(at_once, 1)));
  if (threads <= 1) {
    take_all();
  } else {
    std::vector<std::jthread> workers;
    for (std::size_t t = 0; t < threads; ++t) workers.emplace_back(take_all);
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace safelight
