#include "common/formats/gguf.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "common/base/error.h"

namespace safelight {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are in the file");

template <class T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

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

using Expand = void (*)(const std::uint8_t* in, std::size_t blocks, float* out);
using Pack = void (*)(const float* in, std::size_t blocks, std::uint8_t* out);

struct TypeRow {
  GgufType type;
  std::string_view name;
  std::size_t block_size, block_bytes;
  Expand expand;
  Pack pack;  // null: we do not write this type
};

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

// ---- reading ------------------------------------------------------------------------------------------------------------

constexpr std::string_view kMagic = "GGUF";
constexpr const char* kAlignmentKey = "general.alignment";
constexpr std::uint64_t kMinAlignment = 8, kMaxAlignment = 65536;
constexpr std::size_t kMaxName = 1024;  // real names stay under 128; errors quote them
constexpr std::size_t kMaxDimensions = 4;
constexpr std::uint64_t kExtraMemory = std::uint64_t{63} << 20;  // the promised 64 MiB less messages and other small things
constexpr std::uint64_t kRounding = 32;                          // what an allocator adds to a block at most
// Fewest bytes of a key with its value (length, a letter, type, one byte) and of a tensor's entry (one dimension).
constexpr std::uint64_t kMinKeyBytes = 8 + 1 + 4 + 1, kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

[[noreturn]] void corrupt(const std::string& where, const std::string& rule) {
  throw Error(ErrorCode::corrupt_file, where + ": " + rule + "; the file is damaged or not GGUF, fetch it again");
}

// How many bytes the UTF-8 letter at the start of `text` has; 0 if it is none (overlong, surrogate, beyond U+10FFFF, cut).
std::size_t letter_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned low, unsigned high) { return at(i) >= low && at(i) <= high; };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef)
    return follows(1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf) && follows(2, 0x80, 0xbf) ? 3 : 0;
  if (lead >= 0xf0 && lead <= 0xf4)
    return follows(1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = letter_bytes(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

// Reads a header front to back. Every read is checked against what is left; what is kept is charged against a budget,
// because the format lets 8 bytes of file (an empty string) become 32 of memory.
class Reader {
 public:
  Reader(std::span<const std::byte> file, std::string where) : file_(file), where_(std::move(where)), budget_(file.size() + kExtraMemory) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t left() const { return file_.size() - position_; }
  const std::string& where() const { return where_; }
  // Errors name this place until the next call.
  void enter(const std::string& place) { place_ = place; }
  [[noreturn]] void fail(const std::string& rule) const { corrupt(full_place(), rule); }
  [[noreturn]] void refuse(const std::string& why) const { throw Error(ErrorCode::unsupported, full_place() + ": " + why); }

  void charge(std::uint64_t bytes) {
    if (bytes > budget_) fail("the header would take more memory than the file's size and 64 MiB");
    budget_ -= bytes;
  }

  const std::byte* take(std::uint64_t bytes, const char* what) {
    if (bytes > left()) fail(std::string("the file ends before the end of ") + what);
    const std::byte* out = file_.data() + position_;
    position_ += bytes;
    return out;
  }

  template <class T>
  T number(const char* what) {
    return load<T>(take(sizeof(T), what));
  }

  // A count of things that take at least `each` bytes: refused here if they cannot all be in the file.
  std::uint64_t count(std::uint64_t each, const char* what) {
    const auto out = number<std::uint64_t>(what);
    if (out > left() / each) fail(std::string(what) + " (" + std::to_string(out) + ") is more than the file can hold");
    return out;
  }

  std::string_view text(const char* what) {
    const std::uint64_t length = count(1, what);
    return {reinterpret_cast<const char*>(take(length, what)), length};
  }

  std::string name(const char* what) {
    const std::string_view out = text(what);
    if (out.empty() || out.size() > kMaxName) fail(std::string(what) + " must be 1 to " + std::to_string(kMaxName) + " bytes");
    if (out.find('\0') != std::string_view::npos) fail(std::string(what) + " holds a NUL");
    if (!is_utf8(out)) fail(std::string(what) + " is not UTF-8");
    return std::string(out);
  }

 private:
  std::string full_place() const { return place_.empty() ? where_ : where_ + ", " + place_; }

  std::span<const std::byte> file_;
  std::string where_, place_;
  std::uint64_t budget_;
  std::uint64_t position_ = 0;
};

bool truth(Reader& in, std::byte byte) {
  if (byte > std::byte{1}) in.fail("a boolean is neither 0 nor 1");
  return byte == std::byte{1};
}

std::string kept_text(Reader& in) {
  const std::string_view out = in.text("a string");
  in.charge(out.size() + kRounding);
  return std::string(out);
}

template <class T>
void read_into(Reader& in, T& out) {
  out = in.number<T>("its value");
}
void read_into(Reader& in, bool& out) { out = truth(in, in.number<std::byte>("its value")); }
void read_into(Reader& in, std::string& out) { out = kept_text(in); }

template <class T>
void read_into(Reader& in, std::vector<T>& out) {
  const std::uint64_t n = in.count(sizeof(T), "the array's length");
  in.charge(n * sizeof(T) + kRounding);
  const std::byte* from = in.take(n * sizeof(T), "the array");
  out.resize(n);
  if (n > 0) std::memcpy(out.data(), from, n * sizeof(T));
}

void read_into(Reader& in, std::vector<bool>& out) {
  const std::uint64_t n = in.count(1, "the array's length");
  in.charge(n / 8 + kRounding);
  const std::byte* from = in.take(n, "the array");
  out.resize(n);
  for (std::uint64_t i = 0; i < n; ++i) out[i] = truth(in, from[i]);
}

void read_into(Reader& in, std::vector<std::string>& out) {
  const std::uint64_t n = in.count(8, "the array's length");
  in.charge(n * sizeof(std::string) + kRounding);
  out.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) out.push_back(kept_text(in));
}

void read_into(Reader& in, std::monostate&) { in.refuse("an array of arrays is not read here"); }
void read_into(Reader& in, GgufArray& out);

// Makes `out` hold the alternative whose position is the type id, and reads that.
template <class Variant, std::size_t... I>
void read_alternative(Reader& in, std::uint32_t id, Variant& out, std::index_sequence<I...>) {
  ((I == id ? read_into(in, out.template emplace<I>()) : void()), ...);
}

template <class Variant>
void read_typed(Reader& in, Variant& out) {
  constexpr std::size_t kinds = std::variant_size_v<Variant>;
  const auto id = in.number<std::uint32_t>("the type of its value");
  if (id >= kinds) in.fail("value type " + std::to_string(id) + " does not exist");
  read_alternative(in, id, out, std::make_index_sequence<kinds>());
}

void read_into(Reader& in, GgufArray& out) { read_typed(in, out); }

// Bytes that a map's node takes beside the key's letters: links, key, value, and the rounding of node and letters.
template <class Value>
constexpr std::uint64_t kNodeBytes = 32 + sizeof(std::string) + sizeof(Value) + 2 * kRounding;

void read_metadata(Reader& in, std::uint64_t n, std::map<std::string, GgufValue>& out) {
  for (std::uint64_t i = 0; i < n; ++i) {
    in.enter("key " + std::to_string(i + 1) + " of " + std::to_string(n));
    std::string key = in.name("its name");
    in.enter("key '" + key + "'");
    in.charge(kNodeBytes<GgufValue> + key.size());
    GgufValue value;
    read_typed(in, value);
    if (!out.emplace(std::move(key), std::move(value)).second) in.fail("it is there twice");
  }
}

bool is_alignment(std::uint64_t value) { return std::has_single_bit(value) && value >= kMinAlignment && value <= kMaxAlignment; }

std::uint64_t read_alignment(Reader& in, const std::map<std::string, GgufValue>& metadata) {
  const auto it = metadata.find(kAlignmentKey);
  if (it == metadata.end()) return 32;
  in.enter(std::string("key '") + kAlignmentKey + "'");
  const auto* value = std::get_if<std::uint32_t>(&it->second);
  if (!value || !is_alignment(*value)) in.fail("must be a u32, a power of two from 8 to 65536");
  return *value;
}

// Bytes of a tensor, or false where rows are no whole blocks or a product wraps round. Dimensions of 0 do not hide a wrap.
bool bytes_of(const TypeRow& row, const std::vector<std::int64_t>& shape, std::uint64_t& out) {
  if (static_cast<std::uint64_t>(shape.back()) % row.block_size != 0) return false;
  std::int64_t numbers = 1;
  bool zero = false;
  for (const std::int64_t d : shape) {
    if (d == 0) zero = true;
    else if (__builtin_mul_overflow(numbers, d, &numbers)) return false;
  }
  if (zero) numbers = 0;
  return !__builtin_mul_overflow(static_cast<std::uint64_t>(numbers) / row.block_size, row.block_bytes, &out);
}

std::vector<std::int64_t> read_shape(Reader& in) {
  const auto n = in.number<std::uint32_t>("the number of dimensions");
  if (n < 1 || n > kMaxDimensions) in.fail(std::to_string(n) + " dimensions; there must be 1 to 4");
  std::vector<std::int64_t> shape(n);
  for (std::size_t i = n; i-- > 0;) {
    const auto d = in.number<std::uint64_t>("the shape");
    if (d > static_cast<std::uint64_t>(INT64_MAX)) in.fail("a dimension is negative or too large");
    shape[i] = static_cast<std::int64_t>(d);
  }
  return shape;
}

void read_tensor(Reader& in, std::uint64_t alignment, GgufTensor& out) {
  out.shape = read_shape(in);
  const auto id = in.number<std::uint32_t>("the type");
  const TypeRow* row = find_row(id);
  if (!row) in.refuse("tensor type " + std::to_string(id) + " is not read here; known: " + known_types() + "; requantise the model");
  out.type = row->type;
  std::uint64_t bytes = 0;
  if (!bytes_of(*row, out.shape, bytes))
    in.fail("its size overflows, or its rows are no whole blocks of " + std::to_string(row->block_size) + " " + std::string(row->name));
  out.offset = in.number<std::uint64_t>("the offset");
  if (out.offset % alignment != 0) in.fail("its offset is no multiple of the alignment " + std::to_string(alignment));
}

void read_tensors(Reader& in, std::uint64_t n, GgufHeader& header) {
  for (std::uint64_t i = 0; i < n; ++i) {
    in.enter("tensor " + std::to_string(i + 1) + " of " + std::to_string(n));
    std::string name = in.name("its name");
    in.enter("tensor '" + name + "'");
    // Beside the node its shape, and its place in the list that is sorted later.
    in.charge(kNodeBytes<GgufTensor> + name.size() + kMaxDimensions * sizeof(std::int64_t) + kRounding + sizeof(void*));
    GgufTensor tensor;
    read_tensor(in, header.alignment, tensor);
    if (!header.entries.emplace(std::move(name), std::move(tensor)).second) in.fail("it is there twice");
  }
}

// Only for values that stay far from 2^64: positions inside a file that is there.
std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

// Gives each tensor its bytes. In the order of their offsets each must begin where the one before ends, padding included,
// as ggml's reader also demands: what no tensor covers could be another file hidden in this one.
void place_tensors(Reader& in, std::span<const std::byte> data, GgufHeader& header) {
  using Entry = std::pair<const std::string, GgufTensor>;
  std::vector<Entry*> order;
  order.reserve(header.entries.size());
  for (Entry& entry : header.entries) {
    GgufTensor& t = entry.second;
    in.enter("tensor '" + entry.first + "'");
    std::uint64_t bytes = 0;
    bytes_of(row_of(t.type), t.shape, bytes);
    if (t.offset > data.size() || bytes > data.size() - t.offset) in.fail("its data lies outside the file");
    t.bytes = data.subspan(t.offset, bytes);
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->second.offset, a->second.bytes.size()) < std::pair(b->second.offset, b->second.bytes.size());
  });
  std::uint64_t position = 0;
  for (const Entry* entry : order) {
    const GgufTensor& t = entry->second;
    in.enter("tensor '" + entry->first + "'");
    if (t.offset != position) in.fail(t.offset < position ? "it overlaps another tensor" : "there is a hole before its data");
    position = align_up(t.offset + t.bytes.size(), header.alignment);
  }
  in.enter("");
  if (data.size() > position) in.fail("there are bytes after the last tensor");
}

void read_version(Reader& in, GgufHeader& header) {
  header.version = in.number<std::uint32_t>("the version");
  if (header.version != 0 && (header.version & 0xffff) == 0)
    in.refuse("a big-endian GGUF file; only little-endian ones are read, convert it with gguf-py's gguf_convert_endian");
  if (header.version != 2 && header.version != 3)
    in.refuse("GGUF version " + std::to_string(header.version) + " is not read here, only 2 and 3; convert the model anew");
}

// ---- writing ------------------------------------------------------------------------------------------------------------

[[noreturn]] void misuse(const std::string& what) { throw Error(ErrorCode::internal, what); }

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put(std::string& out, const bool& value) { out.push_back(value ? 1 : 0); }
void put(std::string& out, const std::string& text) {
  put(out, std::uint64_t{text.size()});
  out += text;
}

template <class T>
void put(std::string& out, const std::vector<T>& values) {
  put(out, std::uint64_t{values.size()});
  for (const auto& v : values) put(out, static_cast<const T&>(v));
}
void put(std::string&, const std::monostate&) { misuse("an array of arrays cannot be written to GGUF"); }

void put(std::string& out, const GgufArray& array) {
  put(out, static_cast<std::uint32_t>(array.index()));
  std::visit([&](const auto& values) { put(out, values); }, array);
}

void put_name(std::string& out, const std::string& name) {
  if (name.empty() || name.size() > kMaxName || name.find('\0') != std::string::npos || !is_utf8(name))
    misuse("'" + name.substr(0, 64) + "' cannot be a name in a GGUF file: 1 to 1024 bytes of UTF-8 without NUL");
  put(out, name);
}

std::uint64_t alignment_of(const std::map<std::string, GgufValue>& metadata) {
  const auto it = metadata.find(kAlignmentKey);
  if (it == metadata.end()) return 32;
  const auto* value = std::get_if<std::uint32_t>(&it->second);
  if (!value || !is_alignment(*value)) misuse(std::string(kAlignmentKey) + " must be a u32, a power of two from 8 to 65536");
  return *value;
}

void require_writable(const GgufTensorSource& t) {
  const std::string where = "tensor '" + t.name + "': ";
  const std::size_t dimensions = t.shape.size();
  if (dimensions < 1 || dimensions > kMaxDimensions) misuse(where + "GGUF holds 1 to 4 dimensions, not " + std::to_string(dimensions));
  if (*std::min_element(t.shape.begin(), t.shape.end()) < 0) misuse(where + "a dimension is negative");
  std::uint64_t bytes = 0;
  if (!bytes_of(row_of(t.type), t.shape, bytes) || bytes != t.bytes.size()) misuse(where + "bytes do not fit its shape");
}

// Everything before the data, padded.
std::string header_text(const std::vector<GgufTensorSource>& tensors, const std::map<std::string, GgufValue>& metadata,
                        std::uint64_t alignment) {
  std::string out(kMagic);
  put(out, std::uint32_t{3});
  put(out, std::uint64_t{tensors.size()});
  put(out, std::uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    put_name(out, key);
    put(out, static_cast<std::uint32_t>(value.index()));
    std::visit([&](const auto& v) { put(out, v); }, value);
  }
  std::map<std::string_view, int> seen;
  std::uint64_t offset = 0;
  for (const GgufTensorSource& t : tensors) {
    require_writable(t);
    if (seen[t.name]++ > 0) misuse("tensor '" + t.name + "' was given twice");
    put_name(out, t.name);
    put(out, static_cast<std::uint32_t>(t.shape.size()));
    for (auto d = t.shape.rbegin(); d != t.shape.rend(); ++d) put(out, *d);
    put(out, t.type);
    put(out, offset);
    offset = align_up(offset + t.bytes.size(), alignment);
  }
  out.append(align_up(out.size(), alignment) - out.size(), '\0');
  return out;
}

// A file beside the target that takes its name when all of it is written, and is removed otherwise.
class Replacement {
 public:
  explicit Replacement(const std::filesystem::path& target) : target_(target), temporary_(target.string() + ".XXXXXX") {
    descriptor_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (descriptor_ < 0) fail();
    ::fchmod(descriptor_, 0644);
  }
  ~Replacement() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!done_) ::unlink(temporary_.c_str());
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  void write(const void* data, std::size_t size) {
    const char* from = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t n = ::write(descriptor_, from, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail();
      from += n;
      size -= static_cast<std::size_t>(n);
    }
  }

  void commit() {
    const int descriptor = std::exchange(descriptor_, -1);
    if (::close(descriptor) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) fail();
    done_ = true;
  }

 private:
  // A constructor that throws runs no destructor, but then there is no file either.
  [[noreturn]] void fail() const {
    throw Error(ErrorCode::io, "'" + target_.string() + "' cannot be written: " + std::strerror(errno));
  }

  std::filesystem::path target_;
  std::string temporary_;
  int descriptor_ = -1;
  bool done_ = false;
};

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

std::string_view name(GgufType type) { return row_of(type).name; }
std::size_t gguf_block_size(GgufType type) { return row_of(type).block_size; }
std::size_t gguf_block_bytes(GgufType type) { return row_of(type).block_bytes; }

GgufHeader parse_gguf(std::span<const std::byte> file, const std::string& where) {
  Reader in(file, where);
  GgufHeader header;
  const std::byte* magic = in.take(kMagic.size(), "the magic number");
  if (std::memcmp(magic, kMagic.data(), kMagic.size()) != 0) in.fail("it does not begin with 'GGUF'");
  read_version(in, header);
  const std::uint64_t tensors = in.count(kMinTensorBytes, "the number of tensors");
  const std::uint64_t keys = in.count(kMinKeyBytes, "the number of metadata keys");
  read_metadata(in, keys, header.metadata);
  header.alignment = read_alignment(in, header.metadata);
  read_tensors(in, tensors, header);
  header.data_offset = align_up(in.position(), header.alignment);
  // A file of metadata alone may end without padding.
  const std::uint64_t begin = std::min<std::uint64_t>(header.data_offset, file.size());
  place_tensors(in, file.subspan(begin), header);
  return header;
}

GgufFile GgufFile::open(const std::filesystem::path& file) {
  GgufFile out(file, MappedFile(file));
  out.header_ = parse_gguf(out.mapping_.bytes(), "'" + file.string() + "'");
  return out;
}

const GgufTensor& GgufFile::at(const std::string& key) const {
  mapping_.require_unchanged();
  const auto it = entries().find(key);
  if (it == entries().end()) throw Error(ErrorCode::not_found, "'" + path_.string() + "' has no tensor '" + key + "'");
  return it->second;
}

void gguf_dequantise(GgufType type, std::span<const std::byte> bytes, std::span<float> out) {
  const TypeRow& row = row_of(type);
  const std::size_t blocks = bytes.size() / row.block_bytes;
  if (bytes.size() % row.block_bytes != 0 || out.size() % row.block_size != 0 || out.size() / row.block_size != blocks)
    misuse(std::to_string(bytes.size()) + " bytes of " + std::string(row.name) + " are not " + std::to_string(out.size()) + " numbers");
  row.expand(reinterpret_cast<const std::uint8_t*>(bytes.data()), blocks, out.data());
}

void gguf_quantise(GgufType type, std::span<const float> numbers, std::vector<std::byte>& out) {
  const TypeRow& row = row_of(type);
  if (!row.pack)
    throw Error(ErrorCode::unsupported, "quantising to " + std::string(row.name) + " is not done here; use q8_0, q5_1, q5_0, q4_1 or q4_0");
  if (numbers.size() % row.block_size != 0)
    misuse(std::to_string(numbers.size()) + " numbers are no whole blocks of " + std::string(row.name));
  const std::size_t blocks = numbers.size() / row.block_size;
  require_finite(row, numbers);
  out.assign(blocks * row.block_bytes, std::byte{0});
  auto* to = reinterpret_cast<std::uint8_t*>(out.data());
  row.pack(numbers.data(), blocks, to);
  require_held(row, numbers, to);
}

void write_gguf(const std::filesystem::path& file, const std::vector<GgufTensorSource>& tensors,
                const std::map<std::string, GgufValue>& metadata) {
  const std::uint64_t alignment = alignment_of(metadata);
  const std::string header = header_text(tensors, metadata, alignment);
  const std::string padding(alignment, '\0');
  Replacement out(file);
  out.write(header.data(), header.size());
  for (const GgufTensorSource& t : tensors) {
    out.write(t.bytes.data(), t.bytes.size());
    out.write(padding.data(), align_up(t.bytes.size(), alignment) - t.bytes.size());
  }
  out.commit();
}

}  // namespace safelight
