// flash_attention with the processor's products of bfloat16 pairs; CMakeLists.txt names the flags.
#include <immintrin.h>

#define SAFELIGHT_FLASH_LANES 16
#define SAFELIGHT_FLASH_ROWS 6
#define SAFELIGHT_FLASH_COLUMNS 4
#include "engine/tensor/flash_tiles.h"

namespace safelight::flash {
namespace {

// Units of two bfloat16 numbers.
struct Pair {
  using Vector = __m512bh;
  static constexpr int kPerUnit = 2;
  static SAFELIGHT_FORCE __m512bh load(const std::uint32_t* p) { return (__m512bh)_mm512_loadu_si512(p); }
  static SAFELIGHT_FORCE __m512bh broadcast(const std::uint32_t* p) { return (__m512bh)_mm512_set1_epi32(static_cast<int>(*p)); }
  static SAFELIGHT_FORCE void add_product(Floats& acc, const __m512bh& a, const __m512bh& b) { acc = (Floats)_mm512_dpbf16_ps((__m512)acc, a, b); }
  // A row of `count` floats becomes count / 2 pairs at its beginning.
  static SAFELIGHT_FORCE void narrow(float* row, int64_t count) {
    for (int64_t j = 0; j < count; j += 32) {
      const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + j + 16), _mm512_loadu_ps(row + j));
      _mm512_storeu_si512(row + j / 2, (__m512i)pairs);
    }
  }
};

}  // namespace

void run_avx512_bf16(const Task& task) { run<Pair>(task); }
}  // namespace safelight::flash
