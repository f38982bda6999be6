// What this process holds of the machine's memory.
#pragma once

#include <cstdint>

namespace safelight {

std::uint64_t resident_bytes();       // now, mapped files included; 0 where the system does not tell
std::uint64_t peak_resident_bytes();  // the most there has been

}  // namespace safelight
