// How many threads can run at once.
#pragma once

#include <algorithm>
#include <thread>

namespace safelight {

// At least 1. libtorch's own default counts cores, by which it takes some virtual machines for half of what they are.
inline int processors() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

}  // namespace safelight
