// The commands over finished pictures, as they are typed.
#include "apps/finish/commands.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/formats/png.h"
#include "finish/typography/typeset.h"

namespace safelight::app {
namespace {

struct Outcome {
  int status = 0;
  std::string error;    // name of the code; "usage" for what the parser refuses; empty when it ran
  std::string message;
  std::string printed;  // on standard output
};

struct FinishCommands : ::testing::Test {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("safelight-finish-" + std::to_string(::getpid()));

  FinishCommands() { std::filesystem::create_directories(folder); }
  ~FinishCommands() override { std::filesystem::remove_all(folder); }

  std::string path(const std::string& name) const { return (folder / name).string(); }
  Image picture(const std::string& name) const { return decode_png(read_file(path(name)), name); }

  // A light board that says `text` in dark letters, written to `name`.
  void paint(const std::string& name, const std::string& text, const PngText& with = {}) const {
    const Typesetter typesetter;
    const Face face = typesetter.faces()[0];
    const InkExtents e = typesetter.extents(text, face);
    Image image{420, 160, 3, std::vector<std::uint8_t>(420 * 160 * 3, 225)};
    const LineBox frame{210, 80, e.width * 60, e.height * 60, 0};
    const Raster drawn = typesetter.coverage({text, face, frame, -frame.width / 2, -(e.y + e.height / 2) * 60, 60, 1}, {0, 0, 420, 160});
    for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(225 - 200 * drawn.values[i / 3]);
    write_file_atomic(path(name), encode_png(image, with));
  }

  Outcome run(std::vector<std::string> words) const {
    CLI::App parser;
    parser.require_subcommand(1);
    parser.fallthrough();
    Common common;
    parser.add_flag("--json", common.json);
    const std::vector<Command> commands = {text_command(parser, common), upscale_command(parser, common, upscalers())};
    std::reverse(words.begin(), words.end());
    Outcome out;
    ::testing::internal::CaptureStdout();
    try {
      parser.parse(words);
      for (const Command& c : commands)
        if (c.parser->parsed()) out.status = c.run();
    } catch (const CLI::ParseError& e) {
      out = {2, "usage", e.what(), ""};
    } catch (const Error& e) {
      out = {1, std::string(name(e.code())), e.what(), ""};
    }
    out.printed = ::testing::internal::GetCapturedStdout();
    return out;
  }
  Json json(std::vector<std::string> words) const {
    words.push_back("--json");
    const Outcome out = run(words);
    EXPECT_EQ(out.error, "") << out.message;
    return Json::parse(out.printed);
  }
};

TEST_F(FinishCommands, ChecksWhatAPictureSays) {
  paint("right.png", "OPEN 24H"), paint("wrong.png", "OPNE 24H");
  const Json right = json({"text", "check", path("right.png"), "--text", "OPEN 24H"}), wrong = json({"text", "check", path("wrong.png"), "--text", " OPEN  24H "});
  EXPECT_EQ(right["exact"], true);
  EXPECT_EQ(wrong["exact"], false);
  EXPECT_EQ(wrong["targets"][0]["read"], "OPNE 24H");
  EXPECT_EQ(wrong["targets"][0]["status"], "near");
  EXPECT_NEAR(wrong["targets"][0]["cer"].get<double>(), 0.25, 1e-9);
  EXPECT_NE(run({"text", "check", path("wrong.png"), "--text", "OPEN 24H"}).printed.find("near"), std::string::npos);
}

TEST_F(FinishCommands, FixesAndSaysHow) {
  paint("wrong.png", "OPNE 24H", {{{"parameters", "a shop sign that says \"OPEN 24H\"\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 420x160"}}});
  const Json said = json({"text", "fix", path("wrong.png"), "--out", path("fixed.png")});  // the text is the prompt's quote
  EXPECT_EQ(said["changed"], true);
  EXPECT_EQ(said["targets"][0]["read_after"], "OPEN 24H");
  EXPECT_EQ(said["targets"][0]["font_sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(json({"text", "check", path("fixed.png"), "--text", "OPEN 24H"})["exact"], true);
  PngText text;
  decode_png(read_file(path("fixed.png")), "", &text);
  EXPECT_EQ(text.entries.count("typography"), 1U);
  EXPECT_EQ(text.entries.count("parameters"), 1U);
  json({"text", "fix", path("wrong.png"), "--out", path("again.png")});
  EXPECT_EQ(read_file(path("again.png")), read_file(path("fixed.png")));
}

TEST_F(FinishCommands, LeavesTheFileWhereNothingIsToBeDone) {
  paint("right.png", "OPEN 24H");
  json({"text", "fix", path("right.png"), "--text", "OPEN 24H", "--out", path("same.png")});
  EXPECT_EQ(read_file(path("same.png")), read_file(path("right.png")));
  paint("wrong.png", "OPNE 24H");
  json({"text", "fix", path("wrong.png"), "--out", path("unasked.png")});
  EXPECT_EQ(read_file(path("unasked.png")), read_file(path("wrong.png")));
}

TEST_F(FinishCommands, NamesWhatIsWrongWithTheirInput) {
  paint("sign.png", "OPNE");
  write_file_atomic(path("notes.png"), "no picture at all, whatever its name says");
  write_file_atomic(path("cut.png"), read_file(path("sign.png")).substr(0, 300));
  write_file_atomic(path("huge.png"), encode_png({60'000, 1'000, 1, std::vector<std::uint8_t>(60'000'000)}, {}, 1));
  const std::string out = path("out.png");
  const struct {
    std::vector<std::string> words;
    const char *error, *says;
  } kCases[] = {
      {{"text", "check", path("none.png"), "--text", "A"}, "not_found", "none.png"},
      {{"text", "check", folder.string(), "--text", "A"}, "corrupt_file", folder.c_str()},
      {{"text", "check", path("notes.png"), "--text", "A"}, "corrupt_file", "notes.png"},
      {{"text", "fix", path("cut.png"), "--text", "A", "--out", out}, "corrupt_file", "cut.png"},
      {{"text", "fix", path("huge.png"), "--text", "A", "--out", out}, "corrupt_file", "too many pixels"},
      {{"text", "fix", path("sign.png"), "--text", "  ", "--out", out}, "invalid_argument", "--text is empty"},
      {{"text", "fix", path("sign.png"), "--text", "OPEN\x01", "--out", out}, "invalid_argument", "control characters"},
      {{"text", "fix", path("sign.png"), "--text", "\xff\xfe", "--out", out}, "invalid_argument", "UTF-8"},
      {{"text", "fix", path("sign.png"), "--text", std::string(2000, 'x'), "--out", out}, "invalid_argument", "2000 bytes"},
      {{"text", "fix", path("sign.png"), "--text", "OPEN 開", "--out", out}, "unsupported", "none has '開'"},
      {{"text", "fix", path("sign.png"), "--text", "OPEN", "--limit", "all", "--out", out}, "invalid_argument", "same_style"},
      {{"text", "fix", path("sign.png"), "--text", "OPEN", "--region", "1,2,3,4", "--out", out}, "invalid_argument", "--plan-ahead"},
      {{"text", "fix", path("sign.png"), "--text", "OPEN", "--out", path("no/such/folder/out.png")}, "not_found", "no/such/folder"},
      {{"text", "fix", path("sign.png"), "--text", "OPEN"}, "usage", "--out"},
      {{"upscale", path("sign.png"), "--factor", "0", "--out", out}, "invalid_argument", "2 to 16"},
      {{"upscale", path("sign.png"), "--method", "magic", "--out", out}, "invalid_argument", "known: lanczos"},
      {{"upscale", path("sign.png"), "--model", "m", "--out", out}, "invalid_argument", "leave --model out"},
      {{"upscale", path("sign.png"), "--tile", "3", "--out", out}, "invalid_argument", "16 pixels"},
      {{"upscale", path("notes.png"), "--out", out}, "corrupt_file", "notes.png"},
  };
  for (const auto& c : kCases) {
    const Outcome o = run(c.words);
    EXPECT_EQ(o.error, c.error) << o.message;
    EXPECT_NE(o.message.find(c.says), std::string::npos) << o.message;
    EXPECT_FALSE(std::filesystem::exists(out)) << o.message;
  }
}

TEST_F(FinishCommands, UpscalesInTilesAsInOnePiece) {
  paint("sign.png", "OPEN");
  const Json said = json({"upscale", path("sign.png"), "--factor", "2", "--method", "lanczos", "--tile", "64", "--out", path("tiles.png")});
  EXPECT_EQ(said["width"], 840);
  json({"upscale", path("sign.png"), "--tile", "0", "--out", path("whole.png")});
  const Image tiles = picture("tiles.png"), whole = picture("whole.png");
  ASSERT_EQ(tiles.pixels.size(), whole.pixels.size());
  for (std::size_t i = 0; i < tiles.pixels.size(); ++i) ASSERT_LE(std::abs(tiles.pixels[i] - whole.pixels[i]), 1) << i;
}

}  // namespace
}  // namespace safelight::app
