// Independent pieces of work on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace safelight {

// Calls work(i) for every i in [0, count), each once, begun in that order, `at_once` of them at a time on threads of their own (with 1 on the caller's).
// Returns when all have ended. After an exception nothing further is begun, and the first one is thrown again.
void side_by_side(std::size_t count, int at_once, const std::function<void(std::size_t)>& work);

}  // namespace safelight
