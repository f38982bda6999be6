#include "engine/text/clip_tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"

namespace safelight {
namespace {

class ClosedTokenizer : public testing::Test {
 protected:
  ClosedTokenizer() : directory_(std::filesystem::temp_directory_path() / ("safelight-tokenizer-" + std::to_string(::getpid()))) {
    write_clip_tokenizer(directory_, {"a", "red", "circle", "ring", "triangle", "orange", ",", "gray", "green"}, 8);
  }
  ~ClosedTokenizer() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(ClosedTokenizer, EveryWordIsOneToken) {
  const auto t = ClipTokenizer::open(directory_);
  const auto p = t.encode("A red Circle, orange triangle", 16);
  ASSERT_EQ(p.content, 6);
  EXPECT_EQ(p.tokens[3].text, "circle");
  EXPECT_TRUE(p.unknown_words.empty());
  EXPECT_EQ(p.ids.size(), 16u);
}

TEST_F(ClosedTokenizer, TellsUnknownAndCutOffWords) {
  const auto t = ClipTokenizer::open(directory_);
  EXPECT_EQ(t.encode("a red dragon", 8).unknown_words, (std::vector<std::string>{"dragon"}));
  const auto p = t.encode("a red circle , a green ring , a gray triangle", 8);
  EXPECT_EQ(p.content, 6);
  EXPECT_EQ(p.truncated.size(), 5u);
}

TEST_F(ClosedTokenizer, TakesAnyBytes) {
  const auto t = ClipTokenizer::open(directory_);
  EXPECT_EQ(t.encode("", 8).content, 0);
  EXPECT_THROW(t.encode("red \xff circle", 8), Error);
  EXPECT_NO_THROW(t.encode(std::string(1 << 20, 'x'), 8));
  EXPECT_NO_THROW(t.encode("\xF0\x9F\x98\x80 &amp;amp; \xC2\x85", 8));
}

}  // namespace
}  // namespace safelight
