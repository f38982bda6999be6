#include "common/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "common/base/error.h"

namespace safelight {
namespace {

class Safetensors : public testing::Test {
 protected:
  Safetensors() : directory_(std::filesystem::temp_directory_path() / ("safelight-safetensors-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  ~Safetensors() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& content) const {
    const auto file = directory_ / "t.safetensors";
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  static std::string with_header(const std::string& json, const std::string& data) {
    std::string out(8, '\0');
    const std::uint64_t n = json.size();
    std::memcpy(out.data(), &n, 8);
    return out + json + data;
  }
  std::string valid() const {
    const std::vector<float> numbers = {1, 2, 3, 4, 5, 6};
    const auto bytes = std::as_bytes(std::span(numbers));
    write_safetensors(directory_ / "v.safetensors", {{"a", SafeDtype::f32, {2, 2}, bytes.first(16)}, {"b", SafeDtype::f32, {2}, bytes.last(8)}}, {{"k", "v"}});
    return read_file(directory_ / "v.safetensors");
  }
  // Opened or refused with our own error; anything else fails the test by crashing it.
  bool opens(const std::string& content) const {
    try {
      SafetensorsFile::open(write(content));
      return true;
    } catch (const Error& e) {
      EXPECT_FALSE(std::string(e.what()).empty());
      return false;
    }
  }
  std::filesystem::path directory_;
};

TEST_F(Safetensors, GivesBackWhatWasWritten) {
  const auto file = SafetensorsFile::open(write(valid()));
  ASSERT_EQ(file.entries().size(), 2u);
  EXPECT_EQ(file.at("a").shape, (std::vector<std::int64_t>{2, 2}));
  float last = 0;
  std::memcpy(&last, file.at("b").bytes.data() + 4, 4);
  EXPECT_EQ(last, 6.0f);
  EXPECT_EQ(file.metadata().at("k"), "v");
}

TEST_F(Safetensors, RefusesEveryTruncation) {
  const std::string whole = valid();
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(opens(whole.substr(0, n))) << n;
}

TEST_F(Safetensors, SurvivesEveryFlippedHeaderBit) {
  const std::string whole = valid();
  for (std::size_t bit = 0; bit < (whole.size() - 24) * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    opens(damaged);
  }
}

TEST_F(Safetensors, RefusesHostileHeaders) {
  const std::string four(4, '\0');
  const auto entry = [](const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_TRUE(opens(with_header(entry("[1]", "[0,4]"), four)));
  for (const std::string& header : std::vector<std::string>{entry("[4294967296,4294967296]", "[0,0]"), entry("[9223372036854775807,8]", "[0,4]"), entry("[-1]", "[0,4]"),
                                    entry("[1]", "[4,0]"), entry("[1]", "[0,5]"), entry("[2]", "[0,4]"), entry("[1.5]", "[0,4]"), entry("[1,1,1,1,1,1,1,1,1]", "[0,4]"),
                                    entry("[0]", "[0,0]"), std::string("[]"), std::string("{}"), std::string("{"), R"({"a":1})",
                                    R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                                    R"({"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}})", R"({"__metadata__":{"k":1}})"})
    EXPECT_FALSE(opens(with_header(header, four))) << header;
  EXPECT_FALSE(opens(with_header("{\"a\":" + std::string(10'000, '[') + "}", four)));
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1} << 31, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    EXPECT_FALSE(opens(file + "{}" + four)) << length;
  }
}

TEST_F(Safetensors, RefusesWhatIsNotAFile) {
  EXPECT_THROW(SafetensorsFile::open("/dev/zero"), Error);
  EXPECT_THROW(SafetensorsFile::open(directory_), Error);
  EXPECT_THROW(SafetensorsFile::open(directory_ / "none"), Error);
}

TEST_F(Safetensors, RowsAreReadableBeforeAllAreWritten) {
  const std::vector<float> row = {7, 8};
  SafetensorsRows rows(directory_ / "r.safetensors", {{"x", SafeDtype::f32, {3, 2}}});
  rows.write_row("x", 1, std::as_bytes(std::span(row)));
  const auto file = SafetensorsFile::open(directory_ / "r.safetensors");
  std::vector<float> all(6);
  std::memcpy(all.data(), file.at("x").bytes.data(), 24);
  EXPECT_EQ(all, (std::vector<float>{0, 0, 7, 8, 0, 0}));
  EXPECT_THROW(rows.write_row("x", 3, std::as_bytes(std::span(row))), Error);
}

}  // namespace
}  // namespace safelight
