#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "common/base/error.h"
#include "common/formats/gguf_internal.h"

namespace safelight {
namespace gguf {
namespace {

// ---- number types -------------------------------------------------------------------------------------------------------

// Without float subnormals on the way: right even where the processor flushes them to zero.
float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
  if (exponent == 0) return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * 0x1p-24f));
  return std::bit_cast<float>(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13);
}

// Right shift that rounds to nearest, ties to even.
std::uint32_t shift_rounding(std::uint32_t value, int shift) {
  const std::uint32_t half = std::uint32_t{1} << (shift - 1);
  return (value + half - 1 + (value >> shift & 1)) >> shift;
}

std::uint16_t float_to_half(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<std::uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // half way between the largest half and the next power: infinity
  const int exponent = static_cast<int>(magnitude >> 23);
  if (exponent >= 113) return static_cast<std::uint16_t>(sign | shift_rounding(magnitude - (112u << 23), 13));
  if (exponent < 102) return sign;  // below half of the smallest half
  return static_cast<std::uint16_t>(sign | shift_rounding((magnitude & 0x7fffff) | 0x800000, 126 - exponent));
}

std::uint16_t float_to_bfloat(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<std::uint16_t>(bits >> 16 | 64);  // a NaN stays one
  return static_cast<std::uint16_t>((std::uint64_t{bits} + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float half_at(const std::uint8_t* from) { return half_to_float(load<std::uint16_t>(from)); }

// ---- dequantisation: one block each -------------------------------------------------------------------------------------
// Products of a half by small whole numbers are exact in float32 here, so only the last addition rounds: any order of
// evaluation, contracted or not, gives ggml's bits.

template <class T>
void expand_plain(const std::uint8_t* in, float* out) {
  *out = static_cast<float>(load<T>(in));
}

void expand_f16(const std::uint8_t* in, float* out) { *out = half_at(in); }

void expand_bf16(const std::uint8_t* in, float* out) {
  *out = std::bit_cast<float>(static_cast<std::uint32_t>(load<std::uint16_t>(in)) << 16);
}

// Number i of a 32-block of nibbles: low halves come first, then high halves.
int nibble32(const std::uint8_t* q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }

// The same with a fifth bit from a 32-bit field.
int five_bits32(const std::uint8_t* q, std::uint32_t fifth, int i) {
  return nibble32(q, i) | static_cast<int>(fifth >> i & 1) << 4;
}

void expand_q4_0(const std::uint8_t* in, float* out) {
  const float scale = half_at(in);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(nibble32(in + 2, i) - 8) * scale;
}

void expand_q4_1(const std::uint8_t* in, float* out) {
  const float scale = half_at(in), least = half_at(in + 2);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(nibble32(in + 4, i)) * scale + least;
}

void expand_q5_0(const std::uint8_t* in, float* out) {
  const float scale = half_at(in);
  const auto fifth = load<std::uint32_t>(in + 2);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(five_bits32(in + 6, fifth, i) - 16) * scale;
}

void expand_q5_1(const std::uint8_t* in, float* out) {
  const float scale = half_at(in), least = half_at(in + 2);
  const auto fifth = load<std::uint32_t>(in + 4);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(five_bits32(in + 8, fifth, i)) * scale + least;
}

void expand_q8_0(const std::uint8_t* in, float* out) {
  const float scale = half_at(in);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<std::int8_t>(in[2 + i])) * scale;
}

// The K types: 256 numbers in eight groups g of 32. Two-bit fields of four groups share 32 bytes, nibbles of two groups do.
int two_bits(const std::uint8_t* q, int g, int i) { return q[g / 4 * 32 + i] >> (g % 4 * 2) & 3; }
int nibble(const std::uint8_t* q, int g, int i) { return q[g / 2 * 32 + i] >> (g % 2 * 4) & 15; }
int bit(const std::uint8_t* q, int g, int i) { return q[i] >> g & 1; }

// Types with a scale per 16 numbers walk through sixteen half groups h.
void expand_q2_k(const std::uint8_t* in, float* out) {
  const std::uint8_t *scales = in, *q = in + 16;
  const float scale = half_at(in + 80), least = half_at(in + 82);
  for (int h = 0; h < 16; ++h) {
    const float half_scale = scale * static_cast<float>(scales[h] & 15), half_least = least * static_cast<float>(scales[h] >> 4);
    for (int i = h % 2 * 16; i < h % 2 * 16 + 16; ++i) *out++ = half_scale * static_cast<float>(two_bits(q, h / 2, i)) - half_least;
  }
}

// Sixteen scales of six bits: nibbles in eight bytes, then the upper two bits, four to a byte.
int q3_scale(const std::uint8_t* packed, int k) {
  return ((packed[k % 8] >> (k / 8 * 4) & 15) | (packed[8 + k % 4] >> (k / 4 * 2) & 3) << 4) - 32;
}

void expand_q3_k(const std::uint8_t* in, float* out) {
  const std::uint8_t *high = in, *q = in + 32, *scales = in + 96;
  const float scale = half_at(in + 108);
  for (int h = 0; h < 16; ++h) {
    const float half_scale = scale * static_cast<float>(q3_scale(scales, h));
    for (int i = h % 2 * 16; i < h % 2 * 16 + 16; ++i)
      *out++ = half_scale * static_cast<float>(two_bits(q, h / 2, i) - 4 + bit(high, h / 2, i) * 4);
  }
}

// Eight pairs (scale, least) of six bits in twelve bytes. The upper two bits of pairs 4 to 7 sit above those of pairs 0 to 3.
std::pair<int, int> q45_scale(const std::uint8_t* packed, int k) {
  if (k < 4) return {packed[k] & 63, packed[k + 4] & 63};
  return {(packed[k + 4] & 15) | packed[k - 4] >> 6 << 4, packed[k + 4] >> 4 | packed[k] >> 6 << 4};
}

void expand_q4_k(const std::uint8_t* in, float* out) {
  const std::uint8_t *scales = in + 4, *q = in + 16;
  const float scale = half_at(in), least = half_at(in + 2);
  for (int g = 0; g < 8; ++g) {
    const auto [s, m] = q45_scale(scales, g);
    const float group_scale = scale * static_cast<float>(s), group_least = least * static_cast<float>(m);
    for (int i = 0; i < 32; ++i) *out++ = group_scale * static_cast<float>(nibble(q, g, i)) - group_least;
  }
}

void expand_q5_k(const std::uint8_t* in, float* out) {
  const std::uint8_t *scales = in + 4, *high = in + 16, *q = in + 48;
  const float scale = half_at(in), least = half_at(in + 2);
  for (int g = 0; g < 8; ++g) {
    const auto [s, m] = q45_scale(scales, g);
    const float group_scale = scale * static_cast<float>(s), group_least = least * static_cast<float>(m);
    for (int i = 0; i < 32; ++i)
      *out++ = group_scale * static_cast<float>(nibble(q, g, i) | bit(high, g, i) << 4) - group_least;
  }
}

// Here the nibbles of groups g and g + 2 share bytes, within each half of the block.
int six_bits(const std::uint8_t* low, const std::uint8_t* high, int g, int i) {
  return (low[g / 4 * 64 + g % 2 * 32 + i] >> (g / 2 % 2 * 4) & 15) | two_bits(high, g, i) << 4;
}

void expand_q6_k(const std::uint8_t* in, float* out) {
  const std::uint8_t *low = in, *high = in + 128, *scales = in + 192;
  const float scale = half_at(in + 208);
  for (int h = 0; h < 16; ++h) {
    const float half_scale = scale * static_cast<float>(static_cast<std::int8_t>(scales[h]));
    for (int i = h % 2 * 16; i < h % 2 * 16 + 16; ++i) *out++ = half_scale * static_cast<float>(six_bits(low, high, h / 2, i) - 32);
  }
}

// ---- quantisation: one block each ---------------------------------------------------------------------------------------

template <class T>
void store(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

// The inverse of a scale, 0 where there is none: a scale too small to invert stores zeros.
float inverse(float scale) {
  const float out = scale == 0 ? 0.0f : 1.0f / scale;
  return std::isfinite(out) ? out : 0.0f;
}

// Truncation after the caller's half is the format's rounding; the limits keep the conversion defined, also for a NaN.
int whole(float number, int most) { return number > 0 ? static_cast<int>(std::min(number, static_cast<float>(most))) : 0; }

void pack_f32(const float* in, std::uint8_t* out) { store(out, *in); }
void pack_f16(const float* in, std::uint8_t* out) { store(out, float_to_half(*in)); }
void pack_bf16(const float* in, std::uint8_t* out) { store(out, float_to_bfloat(*in)); }

void pack_q8_0(const float* in, std::uint8_t* out) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(in[i]));
  const float scale = largest / 127.0f, factor = inverse(scale);
  store(out, float_to_half(scale));
  for (int i = 0; i < 32; ++i)
    out[2 + i] = static_cast<std::uint8_t>(static_cast<int>(std::clamp(std::round(in[i] * factor), -127.0f, 127.0f)));
}

// With its sign: the number furthest from zero takes the end of the range that has one value more.
float furthest(const float* in) {
  float out = 0;
  for (int i = 0; i < 32; ++i)
    if (std::fabs(in[i]) > std::fabs(out)) out = in[i];
  return out;
}

void put_nibble32(std::uint8_t* q, int i, int number) {
  if (i < 16) q[i] = static_cast<std::uint8_t>(number & 15);
  else q[i - 16] = static_cast<std::uint8_t>(q[i - 16] | (number & 15) << 4);
}

void pack_q4_0(const float* in, std::uint8_t* out) {
  const float scale = furthest(in) / -8.0f, factor = inverse(scale);
  store(out, float_to_half(scale));
  for (int i = 0; i < 32; ++i) put_nibble32(out + 2, i, whole(in[i] * factor + 8.5f, 15));
}

void pack_q5_0(const float* in, std::uint8_t* out) {
  const float scale = furthest(in) / -16.0f, factor = inverse(scale);
  std::uint32_t fifth = 0;
  for (int i = 0; i < 32; ++i) {
    const int number = whole(in[i] * factor + 16.5f, 31);
    put_nibble32(out + 6, i, number);
    fifth |= static_cast<std::uint32_t>(number >> 4) << i;
  }
  store(out, float_to_half(scale));
  store(out + 2, fifth);
}

void pack_q4_1(const float* in, std::uint8_t* out) {
  const auto [least, most] = std::minmax_element(in, in + 32);
  const float scale = (*most - *least) / 15.0f, factor = inverse(scale);
  store(out, float_to_half(scale));
  store(out + 2, float_to_half(*least));
  for (int i = 0; i < 32; ++i) put_nibble32(out + 4, i, whole((in[i] - *least) * factor + 0.5f, 15));
}

void pack_q5_1(const float* in, std::uint8_t* out) {
  const auto [least, most] = std::minmax_element(in, in + 32);
  const float scale = (*most - *least) / 31.0f, factor = inverse(scale);
  std::uint32_t fifth = 0;
  for (int i = 0; i < 32; ++i) {
    const int number = whole((in[i] - *least) * factor + 0.5f, 31);
    put_nibble32(out + 8, i, number);
    fifth |= static_cast<std::uint32_t>(number >> 4) << i;
  }
  store(out, float_to_half(scale));
  store(out + 2, float_to_half(*least));
  store(out + 4, fifth);
}

// ---- the table of types -------------------------------------------------------------------------------------------------

// The loop over blocks belongs to the table's functions: a call per number would cost more than the work.
template <std::size_t size, std::size_t bytes, auto expand_one>
void expand_all(const std::uint8_t* in, std::size_t blocks, float* out) {
  for (std::size_t b = 0; b < blocks; ++b) expand_one(in + b * bytes, out + b * size);
}

template <std::size_t size, std::size_t bytes, auto pack_one>
void pack_all(const float* in, std::size_t blocks, std::uint8_t* out) {
  for (std::size_t b = 0; b < blocks; ++b) pack_one(in + b * size, out + b * bytes);
}

template <std::size_t size, std::size_t bytes, auto expand_one>
constexpr TypeRow readable(GgufType type, std::string_view name) {
  return {type, name, size, bytes, expand_all<size, bytes, expand_one>, nullptr};
}

template <std::size_t size, std::size_t bytes, auto expand_one, auto pack_one>
constexpr TypeRow writable(GgufType type, std::string_view name) {
  return {type, name, size, bytes, expand_all<size, bytes, expand_one>, pack_all<size, bytes, pack_one>};
}

constexpr std::array<TypeRow, 18> kTypes = {
    writable<1, 4, expand_plain<float>, pack_f32>(GgufType::f32, "f32"),
    writable<1, 2, expand_f16, pack_f16>(GgufType::f16, "f16"),
    writable<1, 2, expand_bf16, pack_bf16>(GgufType::bf16, "bf16"),
    writable<32, 18, expand_q4_0, pack_q4_0>(GgufType::q4_0, "q4_0"),
    writable<32, 20, expand_q4_1, pack_q4_1>(GgufType::q4_1, "q4_1"),
    writable<32, 22, expand_q5_0, pack_q5_0>(GgufType::q5_0, "q5_0"),
    writable<32, 24, expand_q5_1, pack_q5_1>(GgufType::q5_1, "q5_1"),
    writable<32, 34, expand_q8_0, pack_q8_0>(GgufType::q8_0, "q8_0"),
    readable<256, 84, expand_q2_k>(GgufType::q2_k, "q2_K"),
    readable<256, 110, expand_q3_k>(GgufType::q3_k, "q3_K"),
    readable<256, 144, expand_q4_k>(GgufType::q4_k, "q4_K"),
    readable<256, 176, expand_q5_k>(GgufType::q5_k, "q5_K"),
    readable<256, 210, expand_q6_k>(GgufType::q6_k, "q6_K"),
    readable<1, 1, expand_plain<std::int8_t>>(GgufType::i8, "i8"),
    readable<1, 2, expand_plain<std::int16_t>>(GgufType::i16, "i16"),
    readable<1, 4, expand_plain<std::int32_t>>(GgufType::i32, "i32"),
    readable<1, 8, expand_plain<std::int64_t>>(GgufType::i64, "i64"),
    readable<1, 8, expand_plain<double>>(GgufType::f64, "f64")};

// A block shares its scale: one NaN or infinity in it would destroy its 31 neighbours.
void require_finite(const TypeRow& row, std::span<const float> numbers) {
  if (row.block_size == 1) return;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (!std::isfinite(numbers[i]))
      throw Error(ErrorCode::non_finite, "number " + std::to_string(i) + " is not finite; " + std::string(row.name) + " cannot hold it");
}

// Finite numbers that became infinite on the way would poison a model silently.
void require_held(const TypeRow& row, std::span<const float> numbers, const std::uint8_t* packed) {
  std::vector<float> back(row.block_size);
  for (std::size_t b = 0; b < numbers.size() / row.block_size; ++b) {
    row.expand(packed + b * row.block_bytes, 1, back.data());
    for (std::size_t i = 0; i < row.block_size; ++i) {
      const float number = numbers[b * row.block_size + i];
      if (std::isfinite(number) && !std::isfinite(back[i]))
        throw Error(ErrorCode::non_finite, "number " + std::to_string(b * row.block_size + i) + " or its neighbours are too large for " +
                                               std::string(row.name) + "; keep this tensor in f32 or bf16");
    }
  }
}

}  // namespace

const TypeRow* find_row(std::uint32_t id) {
  for (const TypeRow& row : kTypes)
    if (static_cast<std::uint32_t>(row.type) == id) return &row;
  return nullptr;
}

const TypeRow& row_of(GgufType type) {
  const TypeRow* row = find_row(static_cast<std::uint32_t>(type));
  if (!row) throw Error(ErrorCode::internal, "GGUF type " + std::to_string(static_cast<std::uint32_t>(type)) + " is not in our table");
  return *row;
}

std::string known_types() {
  std::string out;
  for (const TypeRow& row : kTypes) out += (out.empty() ? "" : ", ") + std::string(row.name);
  return out;
}

void misuse(const std::string& what) { throw Error(ErrorCode::internal, what); }

}  // namespace gguf

std::string_view name(GgufType type) { return gguf::row_of(type).name; }
std::size_t gguf_block_size(GgufType type) { return gguf::row_of(type).block_size; }
std::size_t gguf_block_bytes(GgufType type) { return gguf::row_of(type).block_bytes; }

void gguf_dequantise(GgufType type, std::span<const std::byte> bytes, std::span<float> out) {
  const gguf::TypeRow& row = gguf::row_of(type);
  const std::size_t blocks = bytes.size() / row.block_bytes;
  if (bytes.size() % row.block_bytes != 0 || out.size() % row.block_size != 0 || out.size() / row.block_size != blocks)
    gguf::misuse(std::to_string(bytes.size()) + " bytes of " + std::string(row.name) + " do not hold " + std::to_string(out.size()));
  row.expand(reinterpret_cast<const std::uint8_t*>(bytes.data()), blocks, out.data());
}

void gguf_quantise(GgufType type, std::span<const float> numbers, std::vector<std::byte>& out) {
  const gguf::TypeRow& row = gguf::row_of(type);
  if (!row.pack)
    throw Error(ErrorCode::unsupported, "quantising to " + std::string(row.name) + " is not done here; use q8_0, q5_1, q5_0, q4_1 or q4_0");
  if (numbers.size() % row.block_size != 0)
    gguf::misuse(std::to_string(numbers.size()) + " numbers are no whole blocks of " + std::string(row.name));
  const std::size_t blocks = numbers.size() / row.block_size;
  gguf::require_finite(row, numbers);
  out.assign(blocks * row.block_bytes, std::byte{0});
  auto* to = reinterpret_cast<std::uint8_t*>(out.data());
  row.pack(numbers.data(), blocks, to);
  gguf::require_held(row, numbers, to);
}

namespace {

// Where a block's half-precision scales lie.
std::vector<std::size_t> scale_places(GgufType type) {
  switch (type) {
    case GgufType::q4_0:
    case GgufType::q5_0:
    case GgufType::q8_0: return {0};
    case GgufType::q4_1:
    case GgufType::q5_1:
    case GgufType::q4_k:
    case GgufType::q5_k: return {0, 2};
    case GgufType::q2_k: return {80, 82};
    case GgufType::q3_k: return {108};
    case GgufType::q6_k: return {208};
    default: return {};
  }
}

}  // namespace

bool gguf_finite(GgufType type, std::span<const std::byte> bytes) {
  constexpr std::uint16_t kExponent = 0x7C00;  // all set: infinity or NaN
  const std::vector<std::size_t> places = scale_places(type);
  const std::size_t block = gguf_block_bytes(type);
  for (std::size_t at = 0; !places.empty() && at + block <= bytes.size(); at += block)
    for (const std::size_t place : places)
      if ((gguf::load<std::uint16_t>(bytes.data() + at + place) & kExponent) == kExponent) return false;
  return true;
}

}  // namespace safelight
