#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "insight/signatures/match.h"
#include "insight/signatures/search.h"

namespace safelight {
namespace {

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) / ("signatures-" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }
  std::filesystem::path directory_;
};

const char* kOwn = R"({"id": "our-lens-flare", "title": "Flares in every corner", "subsystem": "decoder", "symptom": "A zebra flare",
  "fix": "Replace the lens", "signs": [{"kind": "statistic", "name": "decoder.gain", "direction": "above"}],
  "references": ["https://example.org/1"]})";

std::string first_id(const SearchResult& r) { return r.hits.empty() ? "" : r.hits.front().signature->id; }

Finding finding(const std::string& subsystem, const std::string& cause, double severity, std::vector<Evidence> evidence = {}, const std::string& module = "") {
  return {.detector = cause, .subsystem = subsystem, .cause = cause, .severity = severity, .module = module, .what = "", .evidence = std::move(evidence)};
}

Verdict verdict(const std::string& subsystem, std::vector<Finding> findings) {
  Verdict v;
  v.subsystem = subsystem;
  v.findings = std::move(findings);
  return v;
}

TEST(Library, HoldsOneHundredEntriesThatPassTheirOwnCheck) {
  const SignatureLibrary library;
  EXPECT_EQ(library.entries().size(), 100u);
  for (const Signature& s : library.entries()) {
    EXPECT_FALSE(s.references.empty()) << s.id;
    EXPECT_EQ(signatures_from_json([&] { Json j = to_json(s); j.erase("origin"); return j.dump(); }(), s.id).front().title, s.title);
  }
}

TEST_F(Folder, EntriesOfTheUserAreFoundAndBadFilesAreNamed) {
  write("own.json", kOwn);
  write("broken.json", "{\"id\":");
  write("unknown-key.json", std::string(kOwn).replace(1, 0, "\"colour\": 1, "));
  write("taken.json", std::string(kOwn).replace(std::string(kOwn).find("our-lens-flare"), 14, "clip-77-truncation"));
  write("notes.txt", "not an entry");
  const SignatureLibrary library(directory_);
  EXPECT_EQ(library.entries().size(), 101u);
  ASSERT_EQ(library.rejected().size(), 3u);
  EXPECT_NE(library.rejected()[0].find("broken.json"), std::string::npos);
  EXPECT_NE(library.rejected()[1].find("clip-77-truncation"), std::string::npos);
  EXPECT_NE(library.rejected()[2].find("known: id, title"), std::string::npos);
  EXPECT_EQ(first_id(SignatureSearch(library).find("zebra")), "our-lens-flare");
  EXPECT_EQ(library.find("our-lens-flare")->origin, (directory_ / "own.json").string());
}

TEST_F(Folder, AMissingDirectoryIsAnError) { EXPECT_THROW(SignatureLibrary(directory_ / "none"), Error); }

TEST(Library, RefusesWhatIsNotInTheVocabulary) {
  const auto problem = [](const std::string& from, const std::string& to) {
    std::string text = kOwn;
    text.replace(text.find(from), from.size(), to);
    try {
      signatures_from_json(text, "own.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(problem("\"subsystem\": \"decoder\"", "\"subsystem\": \"vae\"").find("use one of: configuration, prompt"), std::string::npos);
  EXPECT_NE(problem("statistic", "smell").find("cause, statistic, looks"), std::string::npos);
  EXPECT_NE(problem("above", "upwards").find("above, below, outside"), std::string::npos);
  EXPECT_NE(problem("https://", "javascript:").find("https://"), std::string::npos);
  EXPECT_NE(problem("A zebra", "A\\u001b[2J").find("control characters"), std::string::npos);
  EXPECT_NE(problem("\"kind\": \"statistic\", \"name\": \"decoder.gain\", \"direction\": \"above\"", "\"kind\": \"cause\", \"name\": \"gremlins\"").find("non-finite"), std::string::npos);
}

TEST(Search, RanksWhatHasAllWordsFirst) {
  const SignatureLibrary library;
  const SearchResult r = SignatureSearch(library).find("black image fp16");
  ASSERT_GE(r.hits.size(), 5u);
  EXPECT_TRUE(r.replaced.empty());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(r.hits[i].words_found, 3) << r.hits[i].signature->id;
  for (std::size_t i = 1; i < r.hits.size(); ++i) EXPECT_LE(r.hits[i].words_found, r.hits[i - 1].words_found);
}

TEST(Search, FindsByStemAndBeginningAndCase) {
  const SignatureLibrary library;
  const SignatureSearch search(library);
  EXPECT_EQ(first_id(search.find("WATERMARKS dots")), "invisible-watermark-dots");
  EXPECT_EQ(first_id(search.find("crop heads")), "sdxl-crop-conditioning-cut-heads");
}

TEST(Search, MisspeltWordsGiveCloseOnes) {
  const SignatureLibrary library;
  const SearchResult r = SignatureSearch(library).find("watermrak");
  ASSERT_EQ(r.replaced.size(), 1u);
  EXPECT_EQ(r.replaced[0].second.front(), "watermark");
  EXPECT_FALSE(r.hits.empty());
  const SearchResult nothing = SignatureSearch(library).find("qqqqqqqqqqqq");
  EXPECT_TRUE(nothing.hits.empty());
  EXPECT_EQ(nothing.replaced.size(), 1u);
}

TEST(Search, NoQueryIsASyntaxError) {
  const SignatureLibrary library;
  const SignatureSearch search(library);
  for (const std::string query : {"", "\"", "\"\"\"", "a AND", "NEAR(", "title:black", "black*", "* * *", "-black", "(black OR", "NOT NOT", "^black", "{a b}:c", "'; DROP TABLE entry;--",
                                  "\\", "\xff\xfe", "schwarz \xc3\xa4", "\x01\x02", "a+b", "fp16\"", "OR", "AND", "NEAR"})
    EXPECT_NO_THROW(search.find(query)) << query;
  EXPECT_NO_THROW(search.find(std::string(1 << 20, 'x')));
  EXPECT_NO_THROW(search.find(std::string("black\0white", 11)));
  std::string all;
  for (int c = 0; c < 256; ++c) EXPECT_NO_THROW(search.find(all += static_cast<char>(c)));
}

TEST(Match, GuidanceBurnIsKnownByItsFindings) {
  const SignatureLibrary library;
  Verdict v = verdict("guidance", {finding("guidance", "guidance-burn", 6, {{.statistic = "guidance.delta_ratio", .value = 9, .low = 0, .high = 2},
                                                                           {.statistic = "guidance.std_ratio", .value = 2, .low = 0.9, .high = 1.2},
                                                                           {.statistic = "guidance.out_of_range", .value = 0.2, .low = 0, .high = 0.01}})});
  v.trigger = "guidance";
  v.scores = {{"colour", 0.9}, {"overall", 0.9}};
  const auto matches = match_signatures(library, v);
  ASSERT_FALSE(matches.empty());
  EXPECT_EQ(matches[0].signature->id, "cfg-oversaturation");
  EXPECT_GT(matches[0].agreement, 0.9);
  EXPECT_NE(match_text(matches[0]).find("https://github.com/"), std::string::npos);
}

TEST(Match, TheModuleDecidesBetweenOverflows) {
  const SignatureLibrary library;
  const Evidence nan{.statistic = "numerics.nonfinite", .value = std::numeric_limits<double>::quiet_NaN(), .low = 0, .high = 0};
  const auto best = [&](const std::string& subsystem, const std::string& module) {
    const auto matches = match_signatures(library, verdict(subsystem, {finding(subsystem, "non-finite", 1000, {nan}, module)}));
    return matches.empty() ? std::string() : matches[0].signature->id;
  };
  EXPECT_EQ(best("denoiser", "unet.mid_block.0"), "unet-nan-fp16-generic");
  EXPECT_EQ(best("text-encoder", "text_encoder_2.block.7"), "t5-fp16-overflow");
  EXPECT_NE(best("decoder", "vae.decoder.up.1").find("sdxl-vae"), std::string::npos);
}

TEST(Match, ADeviationTheOtherWayIsNoSign) {
  const SignatureLibrary library;
  const auto matches = match_signatures(library, verdict("guidance", {finding("guidance", "", 3, {{.statistic = "guidance.std_ratio", .value = 0.4, .low = 0.9, .high = 1.2}})}));
  ASSERT_FALSE(matches.empty());
  EXPECT_EQ(matches[0].signature->id, "dynthresh-grey");
  for (const SignatureMatch& m : matches) EXPECT_NE(m.signature->id, "cfg-oversaturation");
}

TEST(Match, HealthyAndForeignVerdictsMatchNothing) {
  const SignatureLibrary library;
  Verdict healthy;
  healthy.healthy = true;
  EXPECT_TRUE(match_signatures(library, healthy).empty());
  EXPECT_TRUE(match_signatures(library, verdict("provider", {finding("denoiser", "channel-drift", 5)})).empty());
}

}  // namespace
}  // namespace safelight
