#include "engine/tensor/flash_attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "engine/tensor/flash_task.h"
#include "engine/tensor/plain.h"

namespace safelight {
namespace {

using namespace flash;

constexpr int64_t kWorthIt = 1024;                     // scores of a head; below, libtorch's calls cost no more
constexpr int64_t kMostUnits = int64_t{16} << 20;      // 64 MiB of packed keys and values at a time
constexpr int64_t kRowsAtOnce = 8;                     // room for the tallest tile

struct KernelEntry {
  const char* name;
  Kernel run;
  bool pairs;         // takes pairs of bfloat16
  bool (*supported)();
};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() { return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"); }
bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif
bool always() { return true; }

constexpr KernelEntry kKernels[] = {
#if defined(__x86_64__)
    {"avx512-bf16", run_avx512_bf16, true, has_avx512_bf16},
    {"avx512", run_avx512, false, has_avx512},
    {"avx2", run_avx2, false, has_avx2},
#endif
    {"plain", run_plain, false, always}};

const KernelEntry& best(bool pairs) {
  static const auto first = [](bool with_pairs) -> const KernelEntry& {
    return *std::find_if(std::begin(kKernels), std::end(kKernels), [&](const KernelEntry& k) { return k.supported() && (with_pairs || !k.pairs); });
  };
  static const KernelEntry &for_pairs = first(true), &for_floats = first(false);
  return pairs ? for_pairs : for_floats;
}

int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// One head's matrix [rows, width] of numbers of type T, at any strides.
template <class T>
struct Matrix {
  const T* first;
  int64_t row_stride, stride, rows, width;
  // As the kernel's numbers: float, or the bits of a bfloat16.
  template <class Number>
  Number at(int64_t row, int64_t column) const {
    if (row >= rows || column >= width) return Number(0);
    const T& v = first[row * row_stride + column * stride];
    if constexpr (std::is_same_v<Number, float>) return static_cast<float>(v);
    else return v.x;
  }
};

template <class T>
Matrix<T> head_of(const at::Tensor& t, int64_t batch, int64_t head) {
  return {t.data_ptr<T>() + batch * t.stride(0) + head * t.stride(1), t.stride(2), t.stride(3), t.size(2), t.size(3)};
}

enum class Along { width, rows };

// The unit whose first number is at (row, column); its others follow along the width, or down the rows.
template <class Number, Along direction, class T>
std::uint32_t unit(const Matrix<T>& m, int64_t row, int64_t column) {
  constexpr int64_t per = 4 / sizeof(Number);
  Number numbers[per];
  for (int64_t k = 0; k < per; ++k) numbers[k] = direction == Along::width ? m.template at<Number>(row, column + k) : m.template at<Number>(row + k, column);
  std::uint32_t out;
  std::memcpy(&out, numbers, sizeof(out));
  return out;
}

template <class Number, class T>
void pack_rows(const Matrix<T>& m, int64_t begin, int64_t count, int64_t units, std::uint32_t* to) {
  constexpr int64_t per = 4 / sizeof(Number);
  const bool as_they_lie = sizeof(T) == sizeof(Number) && m.stride == 1 && units * per == m.width;
  for (int64_t r = 0; r < count; ++r, to += units) {
    if (as_they_lie) std::memcpy(to, m.first + (begin + r) * m.row_stride, static_cast<std::size_t>(m.width) * sizeof(T));
    else
      for (int64_t u = 0; u < units; ++u) to[u] = unit<Number, Along::width>(m, begin + r, u * per);
  }
}

template <class Number, class T>
void pack_keys(const Matrix<T>& m, int64_t units, std::uint32_t* to) {
  constexpr int64_t per = 4 / sizeof(Number);
  for (int64_t tile = 0; tile < m.rows; tile += kKeyTile, to += units * kKeyTile)
    for (int64_t j = 0; j < kKeyTile; ++j)
      for (int64_t u = 0; u < units; ++u) to[u * kKeyTile + j] = unit<Number, Along::width>(m, tile + j, u * per);
}

template <class Number, class T>
void pack_values(const Matrix<T>& m, int64_t width, std::uint32_t* to) {
  constexpr int64_t per = 4 / sizeof(Number);
  const int64_t units = rounded_up(m.rows, kKeyTile) / per;
  for (int64_t u = 0; u < units; ++u)
    for (int64_t c = 0; c < width; ++c) to[u * width + c] = unit<Number, Along::rows>(m, u * per, c);
}

struct Shape {
  int64_t batch, heads, queries, keys, dim, value_dim;
};

// What one thread needs while it works on a block of queries.
struct Room {
  Room(int64_t key_units, int64_t value_width)
      : queries(static_cast<std::size_t>(kQueryBlock * key_units)), out(static_cast<std::size_t>(kQueryBlock * value_width)), state(3 * kQueryBlock), scores(kRowsAtOnce * kKeyBlock) {}
  std::vector<std::uint32_t> queries;
  std::vector<float> out, state, scores;
};

// T: the tensors' type; Number: the kernel's.
template <class T, class Number>
at::Tensor computed(const AttentionCall& call, Kernel kernel, float* entropy) {
  const Shape s{call.q.size(0), call.q.size(1), call.q.size(2), call.k.size(2), call.q.size(3), call.v.size(3)};
  constexpr int64_t per = 4 / sizeof(Number);
  const int64_t key_units = rounded_up(s.dim, per) / per, width = rounded_up(s.value_dim, 16), padded = rounded_up(s.keys, kKeyTile);
  const int64_t keys_room = padded * key_units, values_room = padded / per * width;
  const int64_t together = std::clamp<int64_t>(kMostUnits / std::max<int64_t>(keys_room + values_room, 1), 1, s.batch * s.heads);
  std::vector<std::uint32_t> packed(static_cast<std::size_t>(together * (keys_room + values_room)));
  at::Tensor out = at::empty({s.batch, s.queries, s.heads * s.value_dim}, call.q.options());
  const at::Tensor bias = call.bias.defined() ? call.bias.to(at::kFloat).expand({s.batch, s.heads, s.queries, s.keys}) : at::Tensor();
  const int64_t blocks = (s.queries + kQueryBlock - 1) / kQueryBlock;
  for (int64_t first = 0; first < s.batch * s.heads; first += together) {
    const int64_t here = std::min(together, s.batch * s.heads - first);
    at::parallel_for(0, here, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t b = (first + i) / s.heads, h = (first + i) % s.heads;
        std::uint32_t* keys = packed.data() + i * (keys_room + values_room);
        pack_keys<Number>(head_of<T>(call.k, b, h), key_units, keys);
        pack_values<Number>(head_of<T>(call.v, b, h), width, keys + keys_room);
      }
    });
    at::parallel_for(0, here * blocks, 1, [&](int64_t begin, int64_t end) {
      Room room(key_units, width);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t head = first + i / blocks, b = head / s.heads, h = head % s.heads, row = i % blocks * kQueryBlock;
        const std::uint32_t* keys = packed.data() + i / blocks * (keys_room + values_room);
        Task task{.packed = {keys, keys + keys_room, s.keys, key_units, width}, .queries = room.queries.data(), .rows = std::min(kQueryBlock, s.queries - row), .scale = static_cast<float>(call.scale),
                  .out = room.out.data(), .state = room.state.data(), .scores = room.scores.data()};
        pack_rows<Number>(head_of<T>(call.q, b, h), row, task.rows, key_units, room.queries.data());
        if (bias.defined()) {
          task.bias = bias.data_ptr<float>() + b * bias.stride(0) + h * bias.stride(1) + row * bias.stride(2);
          task.bias_row = bias.stride(2);
          task.bias_key = bias.stride(3);
        }
        if (entropy) task.entropy = entropy + head * s.queries + row;
        kernel(task);
        for (int64_t r = 0; r < task.rows; ++r) {
          T* to = out.data_ptr<T>() + ((b * s.queries + row + r) * s.heads + h) * s.value_dim;
          const float* from = room.out.data() + r * width;
          for (int64_t c = 0; c < s.value_dim; ++c) to[c] = static_cast<T>(from[c]);
        }
      }
    });
  }
  return out;
}

at::Tensor with(const KernelEntry& kernel, const AttentionCall& call, float* entropy) {
  if (call.q.scalar_type() == at::kFloat) return computed<float, float>(call, (kernel.pairs ? best(false) : kernel).run, entropy);
  if (kernel.pairs) return computed<at::BFloat16, std::uint16_t>(call, kernel.run, entropy);
  return computed<at::BFloat16, float>(call, kernel.run, entropy);
}

}  // namespace

bool can_flash(const AttentionCall& call) {
  const auto fits = [&](const at::Tensor& t) {
    return t.is_cpu() && t.scalar_type() == call.q.scalar_type() && t.numel() > 0 && !(at::GradMode::is_enabled() && t.requires_grad());
  };
  const bool type = call.q.scalar_type() == at::kFloat || call.q.scalar_type() == at::kBFloat16;
  if (PlainKernels::wanted() || !type || !fits(call.q) || !fits(call.k) || !fits(call.v) || call.q.size(2) * call.k.size(2) < kWorthIt) return false;
  return !call.bias.defined() || (call.bias.is_cpu() && !(at::GradMode::is_enabled() && call.bias.requires_grad()));
}

at::Tensor flash_attention(const AttentionCall& call, float* entropy) { return with(best(call.q.scalar_type() == at::kBFloat16), call, entropy); }

std::vector<std::string> flash_kernels() {
  std::vector<std::string> out;
  for (const KernelEntry& k : kKernels)
    if (k.supported()) out.emplace_back(k.name);
  return out;
}

at::Tensor flash_attention_with(const std::string& kernel, const AttentionCall& call, float* entropy) {
  for (const KernelEntry& k : kKernels)
    if (kernel == k.name && k.supported()) return with(k, call, entropy);
  throw Error(ErrorCode::invalid_argument, "this processor has no attention kernel '" + kernel + "'");
}

}  // namespace safelight
