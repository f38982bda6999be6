// The kernel, for one instruction set: included by one source for each, which defines SAFELIGHT_FLASH_LANES (floats per vector: 16, 8 or 4),
// SAFELIGHT_FLASH_ROWS (queries per tile) and SAFELIGHT_FLASH_COLUMNS (vectors per tile), and `Arithmetic`. Everything is in an unnamed namespace.
#pragma once

#include "engine/tensor/flash_task.h"

namespace safelight::flash {
namespace {

constexpr int kLanes = SAFELIGHT_FLASH_LANES, kRows = SAFELIGHT_FLASH_ROWS, kColumns = SAFELIGHT_FLASH_COLUMNS;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = std::int32_t __attribute__((vector_size(4 * kLanes)));
#define SAFELIGHT_FORCE __attribute__((always_inline)) inline

SAFELIGHT_FORCE Floats loaded(const float* p) {
  Floats v;
  __builtin_memcpy(&v, p, sizeof(v));
  return v;
}
SAFELIGHT_FORCE void stored(float* p, const Floats& v) { __builtin_memcpy(p, &v, sizeof(v)); }
SAFELIGHT_FORCE Floats splat(float x) { return Floats{} + x; }
SAFELIGHT_FORCE float sum_of(const Floats& v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}
SAFELIGHT_FORCE float largest_of(const Floats& v) {
  float top = v[0];
  for (int i = 1; i < kLanes; ++i) top = v[i] > top ? v[i] : top;
  return top;
}

// exp(x) for x <= 0, relative error below 3e-6; 0 below -87. Cody and Waite's reduction, Taylor to degree six.
SAFELIGHT_FORCE Floats exp_of_negative(const Floats& x) {
  const Ints gone = x < splat(-87.0f);   // false for what is not a number, which stays so
  const Floats clipped = gone ? splat(-87.0f) : x;
  const Ints k = __builtin_convertvector(clipped * 1.44269504f - 0.5f, Ints);
  const Floats n = __builtin_convertvector(k, Floats);
  const Floats r = clipped - n * 0.693359375f + n * 2.12194440e-4f;
  const Floats p = 1 + r * (1 + r * (0.5f + r * (1.6666667e-1f + r * (4.1666668e-2f + r * (8.3333338e-3f + r * 1.3888889e-3f)))));
  const Ints power = (k + 127) << 23;
  Floats scale;
  __builtin_memcpy(&scale, &power, sizeof(scale));
  return gone ? Floats{} : p * scale;
}
SAFELIGHT_FORCE float exp_of_negative(float x) { return exp_of_negative(splat(x))[0]; }

// acc[rows][columns] over `units` of rows of `left` (stride in units) and a block of `right` [units][width].
template <int Rows, int Columns, class Arithmetic>
SAFELIGHT_FORCE void multiply(const std::uint32_t* left, int64_t left_stride, const std::uint32_t* right, int64_t width, int64_t units, Floats (&acc)[Rows][Columns]) {
  for (int64_t u = 0; u < units; ++u) {
    typename Arithmetic::Vector column[Columns];
    for (int c = 0; c < Columns; ++c) column[c] = Arithmetic::load(right + u * width + c * kLanes);
    for (int r = 0; r < Rows; ++r) {
      const auto one = Arithmetic::broadcast(left + r * left_stride + u);
      for (int c = 0; c < Columns; ++c) Arithmetic::add_product(acc[r][c], one, column[c]);
    }
  }
}

// Keys of the block that begins at `key`, with the padding up to whole tiles.
SAFELIGHT_FORCE int64_t padded_keys(const Task& t, int64_t key) {
  const int64_t left = (t.packed.count - key + kKeyTile - 1) / kKeyTile * kKeyTile;
  return left < kKeyBlock ? left : kKeyBlock;
}

// Scores of Rows queries against one block of keys.
template <int Rows, class Arithmetic>
void score(const Task& t, int64_t row, int64_t key, int64_t padded) {
  constexpr int64_t kWidth = kColumns * kLanes;
  for (int64_t at = 0; at < padded; at += kWidth) {
    Floats acc[Rows][kColumns] = {};
    const int64_t tile = (key + at) / kKeyTile, inside = (key + at) % kKeyTile;
    multiply<Rows, kColumns, Arithmetic>(t.queries + row * t.packed.key_units, t.packed.key_units, t.packed.keys + tile * t.packed.key_units * kKeyTile + inside, kKeyTile,
                                         t.packed.key_units, acc);
    for (int r = 0; r < Rows; ++r)
      for (int c = 0; c < kColumns; ++c) stored(t.scores + r * kKeyBlock + at + c * kLanes, acc[r][c] * t.scale);
  }
}

void add_bias(const Task& t, int rows, int64_t row, int64_t key, int64_t keys) {
  for (int r = 0; r < rows; ++r)
    for (int64_t j = 0; j < keys; ++j) t.scores[r * kKeyBlock + j] += t.bias[(row + r) * t.bias_row + (key + j) * t.bias_key];
}

// One row's scores become exp(score - maximum); what was summed before shrinks as the maximum grows.
template <bool Entropy>
SAFELIGHT_FORCE void soften(const Task& t, int r, int64_t row, int64_t keys, int64_t padded) {
  float* s = t.scores + r * kKeyBlock;
  float *maximum = t.state + row, *sum = t.state + kQueryBlock + row, *logs = t.state + 2 * kQueryBlock + row;
  for (int64_t j = keys; j < padded; ++j) s[j] = -3e38f;
  Floats top = splat(-3e38f);
  for (int64_t j = 0; j < padded; j += kLanes) {
    const Floats v = loaded(s + j);
    top = v > top ? v : top;
  }
  float highest = largest_of(top);
  if (highest < *maximum) highest = *maximum;
  // A row with nothing but -infinity so far keeps zeros: no difference of infinities is taken.
  const float from = highest < -1e38f ? 0.0f : highest;
  const float shrink = *maximum < -1e38f ? 0.0f : exp_of_negative(*maximum - from);
  Floats total = {}, weighted = {};
  for (int64_t j = 0; j < padded; j += kLanes) {
    const Floats d = loaded(s + j) - from, p = exp_of_negative(d);
    total += p;
    if constexpr (Entropy) weighted += p > 0 ? p * d : Floats{};
    stored(s + j, p);
  }
  if constexpr (Entropy) *logs = shrink > 0 ? shrink * (*logs + (*maximum - from) * *sum) + sum_of(weighted) : sum_of(weighted);
  *sum = *sum * shrink + sum_of(total);
  *maximum = highest;
  if (shrink != 1.0f) {
    float* o = t.out + row * t.packed.value_width;
    for (int64_t c = 0; c < t.packed.value_width; c += kLanes) stored(o + c, loaded(o + c) * shrink);
  }
}

template <int Rows, int Columns, class Arithmetic>
SAFELIGHT_FORCE void add_values(const Task& t, int64_t row, int64_t key, int64_t padded, int64_t column) {
  Floats acc[Rows][Columns];
  float* o = t.out + row * t.packed.value_width + column;
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Columns; ++c) acc[r][c] = loaded(o + r * t.packed.value_width + c * kLanes);
  multiply<Rows, Columns, Arithmetic>(reinterpret_cast<const std::uint32_t*>(t.scores), kKeyBlock, t.packed.values + key / Arithmetic::kPerUnit * t.packed.value_width + column,
                                      t.packed.value_width, padded / Arithmetic::kPerUnit, acc);
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Columns; ++c) stored(o + r * t.packed.value_width + c * kLanes, acc[r][c]);
}

template <int Rows, class Arithmetic>
void tile(const Task& t, int64_t row, int64_t key) {
  const int64_t left = t.packed.count - key, keys = left < kKeyBlock ? left : kKeyBlock, padded = padded_keys(t, key);
  score<Rows, Arithmetic>(t, row, key, padded);
  if (t.bias) add_bias(t, Rows, row, key, keys);
  for (int r = 0; r < Rows; ++r) {
    if (t.entropy) soften<true>(t, r, row + r, keys, padded);
    else soften<false>(t, r, row + r, keys, padded);
    Arithmetic::narrow(t.scores + r * kKeyBlock, padded);
  }
  int64_t column = 0;
  for (; column + kColumns * kLanes <= t.packed.value_width; column += kColumns * kLanes) add_values<Rows, kColumns, Arithmetic>(t, row, key, padded, column);
  const int64_t rest = (t.packed.value_width - column) / kLanes;
  if constexpr (kColumns > 3)
    if (rest == 3) add_values<Rows, 3, Arithmetic>(t, row, key, padded, column);
  if constexpr (kColumns > 2)
    if (rest == 2) add_values<Rows, 2, Arithmetic>(t, row, key, padded, column);
  if (rest == 1) add_values<Rows, 1, Arithmetic>(t, row, key, padded, column);
}

SAFELIGHT_FORCE float log_of(float x) { return __builtin_logf(x); }

template <class Arithmetic>
void run(const Task& t) {
  for (int64_t i = 0; i < kQueryBlock; ++i) t.state[i] = -3e38f, t.state[kQueryBlock + i] = t.state[2 * kQueryBlock + i] = 0;
  for (int64_t i = 0; i < t.rows * t.packed.value_width; ++i) t.out[i] = 0;
  for (int64_t key = 0; key < t.packed.count; key += kKeyBlock) {
    int64_t row = 0;
    for (; row + kRows <= t.rows; row += kRows) tile<kRows, Arithmetic>(t, row, key);
    for (; row < t.rows; ++row) tile<1, Arithmetic>(t, row, key);
  }
  for (int64_t row = 0; row < t.rows; ++row) {
    const float sum = t.state[kQueryBlock + row], share = sum > 0 ? 1.0f / sum : 0.0f / sum;  // no key at all: not a number, as softmax gives
    float* o = t.out + row * t.packed.value_width;
    for (int64_t c = 0; c < t.packed.value_width; c += kLanes) stored(o + c, loaded(o + c) * share);
    if (t.entropy) t.entropy[row] = log_of(sum) - t.state[2 * kQueryBlock + row] * share;
  }
}

// Units of one float.
struct OneFloat {
  using Vector = Floats;
  static constexpr int kPerUnit = 1;
  static SAFELIGHT_FORCE Floats load(const std::uint32_t* p) {
    Floats v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
  }
  static SAFELIGHT_FORCE Floats broadcast(const std::uint32_t* p) {
    float x;
    __builtin_memcpy(&x, p, sizeof(x));
    return splat(x);
  }
  static SAFELIGHT_FORCE void add_product(Floats& acc, const Floats& a, const Floats& b) { acc += a * b; }
  static SAFELIGHT_FORCE void narrow(float*, int64_t) {}
};

}  // namespace
}  // namespace safelight::flash
