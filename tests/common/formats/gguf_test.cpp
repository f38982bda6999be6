#include "common/formats/gguf.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <set>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/formats/safetensors.h"

namespace safelight {
namespace {

using Bytes = std::vector<std::byte>;

// ---- a writer of broken files: every field as given ----

template <class T>
std::string raw(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}
std::string text(const std::string& s) { return raw(std::uint64_t{s.size()}) + s; }
std::string head(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
  return "GGUF" + raw(version) + raw(tensors) + raw(keys);
}
std::string key(const std::string& name, std::uint32_t type, const std::string& value) { return text(name) + raw(type) + value; }
std::string array(std::uint32_t type, std::uint64_t n, const std::string& values) { return raw(type) + raw(n) + values; }
std::string entry(const std::string& name, const std::vector<std::uint64_t>& ne, std::uint32_t type, std::uint64_t offset) {
  std::string out = text(name) + raw(static_cast<std::uint32_t>(ne.size()));
  for (const std::uint64_t d : ne) out += raw(d);
  return out + raw(type) + raw(offset);
}
std::string padded(std::string s, std::size_t alignment = 32) {
  s.resize((s.size() + alignment - 1) / alignment * alignment);
  return s;
}
// A file of one tensor 't' whose entry is given and whose data section has n bytes.
std::string one(const std::string& tensor, std::size_t n) { return padded(head(1, 0) + tensor) + std::string(n, '\1'); }
std::string two(const std::string& a, const std::string& b, std::size_t n) { return padded(head(2, 0) + a + b) + std::string(n, '\1'); }
std::string only_key(const std::string& k) { return padded(head(0, 1) + k); }

Bytes bytes_of(const std::string& s) {
  const auto view = std::as_bytes(std::span(s));
  return {view.begin(), view.end()};
}

std::vector<float> numbers_of(const GgufTensor& t) {
  std::vector<float> out(t.bytes.size() / gguf_block_bytes(t.type) * gguf_block_size(t.type));
  gguf_dequantise(t.type, t.bytes, out);
  return out;
}

// Parsed (and dequantised) or refused with our own error; anything else fails the test by crashing it. The copy has exactly
// the file's size, so that the sanitizer sees a read of one byte too many.
bool parses(const std::string& content) {
  const Bytes copy = bytes_of(content);
  try {
    const GgufHeader header = parse_gguf(copy, "test");
    for (const auto& [name, tensor] : header.entries) numbers_of(tensor);
    return true;
  } catch (const Error& e) {
    EXPECT_TRUE(e.code() == ErrorCode::corrupt_file || e.code() == ErrorCode::unsupported) << e.what();
    EXPECT_TRUE(std::string(e.what()).starts_with("test")) << e.what();
    return false;
  }
}

class Gguf : public testing::Test {
 protected:
  Gguf() : directory_(std::filesystem::temp_directory_path() / ("safelight-gguf-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  ~Gguf() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& content) const {
    const auto file = directory_ / "t.gguf";
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  // Under a kilobyte, with values of several kinds; the last tensor's padding is 30 bytes.
  std::string small() const {
    const std::vector<float> numbers(64, 0.5f);
    Bytes q8;
    gguf_quantise(GgufType::q8_0, numbers, q8);
    const auto plain = std::as_bytes(std::span(numbers));
    write_gguf(directory_ / "s.gguf",
               {{"a", GgufType::f32, {2, 2}, plain.first(16)}, {"b", GgufType::q8_0, {1, 1, 32}, std::span(q8).first(34)}},
               {{"n", std::uint64_t{7}}, {"s", std::string("text")}, {"f", false}, {"d", 0.25}, {"general.alignment", std::uint32_t{32}},
                {"l", GgufArray(std::vector<std::string>{"x", "", "yz"})}, {"b", GgufArray(std::vector<bool>{true, false})}});
    return read_file(directory_ / "s.gguf");
  }
  std::filesystem::path directory_;
};

// ---- against ggml's own files ----

class GgufGolden : public testing::TestWithParam<const char*> {
 protected:
  static std::string path(const std::string& suffix) {
    return std::string(SAFELIGHT_SOURCE) + "/tests/golden/formats/gguf/" + GetParam() + suffix;
  }
};

template <class T>
Json as_json(const T& value) {
  if constexpr (std::is_same_v<T, std::uint64_t> || std::is_same_v<T, std::int64_t>) return std::to_string(value);
  else return Json(value);
}
template <class T>
Json as_json(const std::vector<T>& values) {
  Json out = Json::array();
  for (const auto& v : values) out.push_back(as_json(static_cast<const T&>(v)));
  return out;
}
Json as_json(const std::monostate&) { return nullptr; }
Json as_json(const GgufArray& values) {
  return std::visit([](const auto& v) { return as_json(v); }, values);
}

std::string type_name(const GgufValue& value) {
  constexpr std::array names = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
  const auto* list = std::get_if<GgufArray>(&value);
  return list ? std::string("array<") + names[list->index()] + ">" : names[value.index()];
}

TEST_P(GgufGolden, HeaderIsWhatGgmlWrote) {
  const GgufFile file = GgufFile::open(path(".gguf"));
  const Json facts = read_json(path(".json"));
  EXPECT_EQ(file.version(), facts["version"]);
  EXPECT_EQ(file.alignment(), facts["alignment"]);
  EXPECT_EQ(file.data_offset(), facts["data_offset"]);
  ASSERT_EQ(file.metadata().size(), facts["n_kv"]);
  for (const auto& [name, want] : facts["metadata"].items()) {
    const GgufValue& value = file.metadata().at(name);
    EXPECT_EQ(type_name(value), want["type"]) << name;
    EXPECT_EQ(std::visit([](const auto& v) { return as_json(v); }, value), want["value"]) << name;
  }
  ASSERT_EQ(file.entries().size(), facts["tensors"].size());
  for (const Json& want : facts["tensors"]) {
    const GgufTensor& t = file.at(want["name"].get<std::string>());
    EXPECT_EQ(name(t.type), want["type"].get<std::string>());
    EXPECT_EQ(static_cast<std::uint32_t>(t.type), want["type_id"]);
    EXPECT_EQ(t.shape, want["shape_rowmajor"].get<std::vector<std::int64_t>>()) << want["name"];
    EXPECT_EQ(t.offset, want["offset"]);
    EXPECT_EQ(t.bytes.size(), want["nbytes"]);
  }
}

TEST_P(GgufGolden, DequantisesBitForBit) {
  const GgufFile file = GgufFile::open(path(".gguf"));
  const SafetensorsFile want = SafetensorsFile::open(path(".dequant.safetensors"));
  std::set<GgufType> types;
  ASSERT_EQ(file.entries().size(), want.entries().size());
  for (const auto& [name, tensor] : file.entries()) {
    const SafeTensor& expected = want.at(name);
    EXPECT_EQ(tensor.shape, expected.shape) << name;
    const std::vector<float> numbers = numbers_of(tensor);
    ASSERT_EQ(numbers.size() * 4, expected.bytes.size()) << name;
    EXPECT_EQ(std::memcmp(numbers.data(), expected.bytes.data(), expected.bytes.size()), 0) << name;
    types.insert(tensor.type);
  }
  EXPECT_EQ(types.size(), 13u);
}

// The records hold the same numbers as f32 and quantised by ggml.
TEST_P(GgufGolden, QuantisesAsGgmlDoes) {
  const GgufFile file = GgufFile::open(path(".gguf"));
  int compared = 0;
  for (const auto& [name, tensor] : file.entries()) {
    const std::string stem = name.substr(0, name.rfind('.', name.rfind('.') - 1));
    const auto source = file.entries().find(stem + ".f32.weight");
    if (source == file.entries().end()) continue;
    Bytes packed;
    try {
      gguf_quantise(tensor.type, numbers_of(source->second), packed);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported) << name << ": " << e.what();
      EXPECT_EQ(gguf_block_size(tensor.type), 256u) << name;
      continue;
    }
    ASSERT_EQ(packed.size(), tensor.bytes.size()) << name;
    EXPECT_EQ(std::memcmp(packed.data(), tensor.bytes.data(), packed.size()), 0) << name;
    ++compared;
  }
  EXPECT_GT(compared, 3);
}

TEST_P(GgufGolden, ComesBackFromOurWriter) {
  const GgufFile file = GgufFile::open(path(".gguf"));
  const auto copy = std::filesystem::temp_directory_path() / ("safelight-gguf-copy-" + std::to_string(::getpid()));
  std::vector<GgufTensorSource> tensors;
  for (const auto& [name, t] : file.entries()) tensors.push_back({name, t.type, t.shape, t.bytes});
  write_gguf(copy, tensors, file.metadata());
  const GgufFile again = GgufFile::open(copy);
  EXPECT_EQ(again.alignment(), file.alignment());
  EXPECT_EQ(again.data_offset(), file.data_offset());
  EXPECT_EQ(again.metadata(), file.metadata());
  ASSERT_EQ(again.entries().size(), file.entries().size());
  for (const auto& [name, t] : file.entries()) {
    EXPECT_EQ(again.at(name).type, t.type);
    EXPECT_EQ(again.at(name).shape, t.shape);
    EXPECT_TRUE(std::ranges::equal(again.at(name).bytes, t.bytes)) << name;
  }
  EXPECT_EQ(std::filesystem::file_size(copy), std::filesystem::file_size(file.path()));
  std::filesystem::remove(copy);
}

TEST_P(GgufGolden, RefusesTruncationsAndSurvivesFlippedBitsOfTheHeader) {
  const std::string whole = read_file(path(".gguf"));
  // One flip in 49 of the larger file: all of them take minutes under a sanitizer.
  const std::size_t header = parse_gguf(bytes_of(whole), "test").data_offset, step = header > 4096 ? 49 : 1;
  for (std::size_t n = 0; n < header; ++n) EXPECT_FALSE(parses(whole.substr(0, n))) << n;
  for (std::size_t i = 0; i < header * 8; i += step) {
    std::string damaged = whole;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << i % 8));
    parses(damaged);
  }
}

INSTANTIATE_TEST_SUITE_P(Records, GgufGolden, testing::Values("all_types", "align128"));

// ---- hostile files ----

TEST_F(Gguf, RefusesEveryTruncation) {
  const std::string whole = small();
  const GgufHeader header = parse_gguf(bytes_of(whole), "test");
  const std::size_t end = header.data_offset + header.entries.at("b").offset + 34;
  ASSERT_EQ(end + 30, whole.size());
  ASSERT_LT(end, 1024u);
  for (std::size_t n = 0; n < end; ++n) EXPECT_FALSE(parses(whole.substr(0, n))) << n;
  for (std::size_t n = end; n <= whole.size(); ++n) EXPECT_TRUE(parses(whole.substr(0, n))) << n;  // some writers omit the last padding
  EXPECT_FALSE(parses(whole + "x"));
}

TEST_F(Gguf, SurvivesEveryFlippedBit) {
  const std::string whole = small();
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    parses(damaged);
  }
}

struct Hostile {
  std::string content;
  std::string place;  // what the message must name beside the file
  ErrorCode code = ErrorCode::corrupt_file;
};

void expect_refused(const std::filesystem::path& file, const Hostile& hostile) {
  try {
    GgufFile::open(file);
    ADD_FAILURE() << "opened: " << hostile.place;
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_EQ(e.code(), hostile.code) << what;
    EXPECT_NE(what.find("'" + file.string() + "'"), std::string::npos) << what;
    EXPECT_NE(what.find(hostile.place), std::string::npos) << what << " does not name " << hostile.place;
  }
}

TEST_F(Gguf, RefusesHostileCountsAndLengths) {
  constexpr std::uint64_t all = ~std::uint64_t{0}, top = std::uint64_t{1} << 63;
  const std::string k = key("k", 0, "\1");
  for (const Hostile& hostile : std::vector<Hostile>{
           {padded("GGML" + head(0, 0).substr(4)), "GGUF"},
           {padded(head(0, 0, 0)), "version 0", ErrorCode::unsupported},
           {padded(head(0, 0, 1)), "version 1", ErrorCode::unsupported},
           {padded(head(0, 0, 4)), "version 4", ErrorCode::unsupported},
           {padded(head(0, 0, 0x03000000)), "big-endian", ErrorCode::unsupported},
           {padded(head(0, all) + k), "the number of metadata keys"},
           {padded(head(0, top) + k), "the number of metadata keys"},
           {padded(head(0, 3) + k), "the number of metadata keys"},
           {padded(head(all, 0)), "the number of tensors"},
           {padded(head(all / 33 + 2, 0)), "the number of tensors"},
           {only_key(raw(top) + "k" + raw(0u)), "key 1 of 1"},
           {only_key(raw(all) + "k" + raw(0u)), "key 1 of 1"},
           {only_key(text(std::string(1025, 'k')) + raw(0u) + "\1"), "key 1 of 1"},
           {only_key(text("") + raw(0u) + "\1"), "key 1 of 1"},
           {only_key(text(std::string("k\0y", 3)) + raw(0u) + "\1"), "NUL"},
           {only_key(key("\xff\xfe", 0, "\1")), "UTF-8"},
           {only_key(key("\xed\xa0\x80", 0, "\1")), "UTF-8"},
           {only_key(key("\xc0\x80", 0, "\1")), "UTF-8"},
           {only_key(key("k", 8, raw(top))), "key 'k'"},
           {only_key(key("k", 8, raw(all))), "key 'k'"},
           {only_key(key("k", 13, std::string(8, '\0'))), "key 'k'"},
           {only_key(key("k", 255, std::string(8, '\0'))), "key 'k'"},
           {only_key(key("k", 7, "\2")), "key 'k'"},
           {only_key(key("k", 9, array(7, 2, "\1\3"))), "key 'k'"},
           {only_key(key("k", 9, array(13, 1, "\1"))), "key 'k'"},
           {only_key(key("k", 9, array(10, all, ""))), "key 'k'"},
           {only_key(key("k", 9, array(10, std::uint64_t{1} << 61, std::string(64, '\0')))), "key 'k'"},
           {only_key(key("k", 9, array(0, all, ""))), "key 'k'"},
           {only_key(key("k", 9, array(7, top, ""))), "key 'k'"},
           {only_key(key("k", 9, array(8, all / 8, ""))), "key 'k'"},
           {only_key(key("k", 9, array(8, 1, raw(top)))), "key 'k'"},
           {only_key(key("k", 9, array(9, 1, array(0, 1, "\1")))), "key 'k'", ErrorCode::unsupported},
           {padded(head(0, 2) + k + k), "key 'k'"}})
    expect_refused(write(hostile.content), hostile);
}

TEST_F(Gguf, RefusesHostileAlignments) {
  for (const std::uint32_t value : {0u, 1u, 3u, 4u, 33u, 131072u, 1u << 31, ~0u})
    expect_refused(write(only_key(key("general.alignment", 4, raw(value)))), {"", "key 'general.alignment'"});
  expect_refused(write(only_key(key("general.alignment", 10, raw(std::uint64_t{32})))), {"", "key 'general.alignment'"});
  expect_refused(write(only_key(key("general.alignment", 8, text("32")))), {"", "key 'general.alignment'"});
  for (const std::uint32_t value : {8u, 64u, 65536u})
    EXPECT_TRUE(parses(padded(head(1, 1) + key("general.alignment", 4, raw(value)) + entry("t", {4}, 0, 0), value) + std::string(16, 'x')));
}

TEST_F(Gguf, RefusesHostileTensors) {
  constexpr std::uint64_t big = std::uint64_t{1} << 32, top = std::uint64_t{1} << 63;
  const std::string good = entry("t", {4}, 0, 0);
  ASSERT_TRUE(parses(one(good, 16)));
  const std::string name = "tensor 't'";
  for (const Hostile& hostile : std::vector<Hostile>{
           {one(entry("t", {}, 0, 0), 64), name},
           {one(entry("t", {1, 1, 1, 1, 1}, 0, 0), 64), name},
           {one(text("t") + raw(~0u) + std::string(64, '\0'), 64), name},
           {one(entry("t", {big, big}, 0, 0), 64), name},
           {one(entry("t", {big, big, 0}, 0, 0), 64), name},
           {one(entry("t", {top}, 0, 0), 64), name},
           {one(entry("t", {~std::uint64_t{0}}, 0, 0), 64), name},
           {one(entry("t", {top - 1}, 0, 0), 64), name},
           {one(entry("t", {top / 2, 2}, 0, 0), 64), name},
           {one(entry("t", {top / 4}, 28, 0), 64), name},
           {one(entry("t", {big * 16, big / 32}, 8, 0), 64), name},  // 2^63 numbers of 34/32 bytes
           {one(entry("t", {5}, 0, 0), 16), name},
           {one(entry("t", {4}, 0, 32), 16), name},
           {one(entry("t", {4}, 0, 32), 48), name},
           {one(entry("t", {4}, 0, 4), 64), "multiple of the alignment"},
           {one(entry("t", {~std::uint64_t{0}, ~std::uint64_t{0} - 3}, 0, 0), 16), name},  // -1 by -4: a product that fits
           {one(entry("t", {4}, 0, ~std::uint64_t{0} - 31), 64), name},
           {one(entry("t", {4}, 0, top), 64), name},
           {one(entry("t", {16}, 8, 0), 64), name},
           {one(entry("t", {16, 2}, 2, 0), 64), name},
           {one(entry("t", {128, 2}, 12, 0), 256), name},
           {one(entry("t", {4}, 255, 0), 64), name, ErrorCode::unsupported},
           {one(entry("t", {4}, 4, 0), 64), name, ErrorCode::unsupported},
           {one(entry("t", {256}, 16, 0), 128), name, ErrorCode::unsupported},
           {one(raw(top) + "t" + raw(1u) + std::string(64, '\0'), 64), "tensor 1 of 1"},
           {one(entry("", {4}, 0, 0), 64), "tensor 1 of 1"},
           {one(entry("\x80", {4}, 0, 0), 64), "tensor 1 of 1"},
           {two(good, good, 32), name},
           {two(entry("s", {4}, 0, 0), good, 64), "overlaps"},
           {two(entry("s", {12}, 0, 0), entry("t", {4}, 0, 32), 64), name},
           {two(entry("s", {4}, 0, 0), entry("t", {4}, 0, 64), 96), name},
           {two(entry("s", {4}, 0, 0), entry("t", {8}, 0, 32), 48), name},
           {one(good, 33), "after the last tensor"}})
    expect_refused(write(hostile.content), hostile);
}

TEST_F(Gguf, RefusesAHeaderThatGrowsInMemory) {
  // 8 bytes of file would become 32 and more of memory.
  expect_refused(write(only_key(key("k", 9, array(8, 2'000'000, std::string(16'000'000, '\0'))))), {"", "key 'k'"});
  EXPECT_TRUE(parses(only_key(key("k", 9, array(8, 300'000, std::string(2'400'000, '\0'))))));  // a large vocabulary is fine
}

TEST_F(Gguf, AcceptsWhatTheFormatAllows) {
  EXPECT_TRUE(parses(padded(head(0, 0))));
  EXPECT_TRUE(parses(head(0, 0)));
  EXPECT_TRUE(parses(padded(head(1, 0, 2) + entry("t", {4}, 0, 0)) + std::string(16, '\1')));
  EXPECT_TRUE(parses(two(entry("b", {4}, 0, 32), entry("a", {4}, 0, 0), 48)));  // any order of entries
  EXPECT_TRUE(parses(two(entry("b", {4, 0}, 0, 0), entry("a", {4}, 0, 0), 16)));
  EXPECT_TRUE(parses(one(entry("t", {1, 1, 1, 1}, 0, 0), 4)));
  EXPECT_TRUE(parses(only_key(key("k", 8, text("\xff any bytes")))));
  EXPECT_TRUE(parses(only_key(key("k\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xb7", 9, array(9 - 1, 0, "")))));
}

TEST_F(Gguf, RefusesWhatIsNotAFile) {
  EXPECT_THROW(GgufFile::open("/dev/zero"), Error);
  EXPECT_THROW(GgufFile::open(directory_), Error);
  EXPECT_THROW(GgufFile::open(directory_ / "none"), Error);
  EXPECT_THROW(GgufFile::open(write("")), Error);
}

TEST_F(Gguf, NoticesAFileThatWasCut) {
  const auto path = write(small());
  const GgufFile file = GgufFile::open(path);
  EXPECT_EQ(file.at("a").shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_THROW(file.at("none"), Error);
  std::filesystem::resize_file(path, 100);
  EXPECT_THROW(file.at("a"), Error);
}

// ---- writing ----

TEST_F(Gguf, WriterRefusesWhatTheReaderWould) {
  const std::vector<float> numbers(32);
  const auto bytes = std::as_bytes(std::span(numbers));
  const auto file = directory_ / "w.gguf";
  const auto refused = [&](const std::vector<GgufTensorSource>& tensors, const std::map<std::string, GgufValue>& metadata) {
    EXPECT_THROW(write_gguf(file, tensors, metadata), Error);
    EXPECT_TRUE(std::filesystem::is_empty(directory_));
  };
  const GgufTensorSource good = {"t", GgufType::f32, {32}, bytes};
  refused({good, good}, {});
  refused({{"t", GgufType::f32, {31}, bytes}}, {});
  refused({{"t", GgufType::f32, {}, bytes.first(4)}}, {});
  refused({{"t", GgufType::f32, {-32}, bytes}}, {});
  refused({{"t", GgufType::f32, {2, 2, 2, 2, 2}, bytes}}, {});
  refused({{"t", GgufType::q8_0, {2, 16}, bytes.first(34)}}, {});
  refused({{"", GgufType::f32, {32}, bytes}}, {});
  refused({{"\xff", GgufType::f32, {32}, bytes}}, {});
  refused({good}, {{"", true}});
  refused({good}, {{"general.alignment", std::uint32_t{48}}});
  refused({good}, {{"general.alignment", std::uint64_t{64}}});
  refused({good}, {{"k", GgufArray(std::monostate())}});
}

TEST_F(Gguf, WriterLeavesNothingBehindWhenItFails) {
  EXPECT_THROW(write_gguf(directory_ / "none" / "w.gguf", {}, {}), Error);
  std::filesystem::create_directory(directory_ / "taken");
  EXPECT_THROW(write_gguf(directory_ / "taken", {}, {}), Error);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
  EXPECT_THROW(write_gguf("/dev/full/w.gguf", {}, {}), Error);
}

}  // namespace
}  // namespace safelight
