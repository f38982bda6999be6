// What the outside tells a decision. Nothing in this folder reads a clock or draws a number by itself, so that the same input
// gives the same plan.
#pragma once

#include <cstdint>
#include <string_view>

namespace safelight {

struct Moment {
  std::int64_t steady_ms = 0;  // never goes back: windows, breakers, statistics
  std::int64_t unix_ms = 0;    // UTC: days of spending and shutdown dates
};

// A number in [0, 1) that depends on nothing but the seed and the key: where chance decides, it decides the same again.
inline double chance(std::uint64_t seed, std::string_view key) {
  std::uint64_t h = seed ^ 0xcbf29ce484222325ull;
  for (const char c : key) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;  // FNV-1a
  h ^= h >> 30, h *= 0xbf58476d1ce4e5b9ull;                                             // the finish of splitmix64
  h ^= h >> 27, h *= 0x94d049bb133111ebull;
  h ^= h >> 31;
  return static_cast<double>(h >> 11) * 0x1.0p-53;
}

}  // namespace safelight
