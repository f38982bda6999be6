#include "engine/text/clip_tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"

namespace safelight {
namespace {

class ClosedTokenizer : public testing::Test {
 protected:
  ClosedTokenizer() : directory_(std::filesystem::temp_directory_path() / ("safelight-tokenizer-" + std::to_string(::getpid()))) {
    write_clip_tokenizer(directory_, {.words = {"a", "red", "circle", "ring", "triangle", "orange", ",", "gray", "green"}, .max_length = 8});
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

class QuotingTokenizer : public ClosedTokenizer {
 protected:
  ClipTokenizer made(bool spells) {
    write_clip_tokenizer(directory_, {.words = {"a", "sign", "says", "\"", ",", "red"}, .quoted_words = spells ? std::vector<std::string>{} : std::vector<std::string>{"open"},
                                      .spells_quoted = spells, .max_length = 32});
    return ClipTokenizer::open(directory_);
  }
};

TEST_F(QuotingTokenizer, AWordInQuotesMayBeAnyAndIsOneTokenWhereItWasListed) {
  const auto p = made(false).encode("a sign says \"OPEN\", red", 32);
  EXPECT_TRUE(p.unknown_words.empty());
  EXPECT_EQ(p.content, 8);  // a sign says " open " , red
  EXPECT_EQ(made(false).encode("open", 32).unknown_words, (std::vector<std::string>{"open"}));  // outside quotes it is not known
}

TEST_F(QuotingTokenizer, WordsInQuotesAreSpelledWhereTheModelAsksForIt) {
  const auto t = made(true);
  const auto p = t.encode("a sign says \"RED 24\" red", 32);
  EXPECT_EQ(p.content, 3 + 1 + 5 + 1 + 1);  // r e d 2 4 in quotes, red outside
  EXPECT_EQ(p.tokens[5].text, "r");
  EXPECT_EQ(p.tokens.at(static_cast<std::size_t>(p.content)).text, "red");
}

}  // namespace
}  // namespace safelight
