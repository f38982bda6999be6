// What a kernel of flash_attention.cpp is given. Plain data without the standard library: kernels are compiled for wider instructions, and
// nothing of theirs may end up in the rest of the program.
#pragma once

#include <cstdint>

namespace safelight::flash {

inline constexpr int64_t kKeyBlock = 256;   // keys that pass at a time
inline constexpr int64_t kQueryBlock = 96;  // queries that share a pass over the keys
inline constexpr int64_t kKeyTile = 64;     // keys that are packed side by side

// Numbers are packed in units of four bytes: one float, or two bfloat16 numbers that are multiplied and added together.
//   keys:   tiles of kKeyTile keys, each [key_units][kKeyTile] units, along the head dimension
//   values: [padded keys / numbers per unit][value_width] units, along the keys
struct Packed {
  const std::uint32_t* keys = nullptr;
  const std::uint32_t* values = nullptr;
  int64_t count = 0;         // keys; padded with zeros to a multiple of kKeyTile
  int64_t key_units = 0;     // per key
  int64_t value_width = 0;   // d', padded to a multiple of 16
};

struct Task {
  Packed packed;
  const std::uint32_t* queries = nullptr;  // [rows][key_units] units
  int64_t rows = 0;                        // at most kQueryBlock
  float scale = 1;
  const float* bias = nullptr;             // of the first row; or null
  int64_t bias_row = 0, bias_key = 0;      // its strides; 0 repeats
  float* out = nullptr;                    // [rows][value_width]
  float* entropy = nullptr;                // [rows], or null
  // Room for kQueryBlock rows: running maximum, sum, and sum of p log p.
  float* state = nullptr;                  // [3][kQueryBlock]
  float* scores = nullptr;                 // [8][kKeyBlock]
};

using Kernel = void (*)(const Task&);
void run_plain(const Task& task);
void run_avx2(const Task& task);
void run_avx512(const Task& task);
void run_avx512_bf16(const Task& task);    // units are pairs of bfloat16

}  // namespace safelight::flash
