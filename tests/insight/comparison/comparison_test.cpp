#include "insight/comparison/comparison.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "common/base/error.h"
#include "common/formats/png.h"
#include "common/trace/trace_file.h"
#include "insight/comparison/parts.h"

namespace safelight {
namespace {

using Pairs = std::vector<std::pair<int, int>>;

TEST(AlignedWords, PairsEqualWordsAndThoseInTheirPlace) {
  EXPECT_EQ(aligned_words({"a", "red", "circle"}, {"a", "blue", "circle"}), (Pairs{{0, 0}, {1, 1}, {2, 2}}));
  EXPECT_EQ(aligned_words({"a", "circle"}, {"a", "big", "red", "circle"}), (Pairs{{0, 0}, {-1, 1}, {-1, 2}, {1, 3}}));
  EXPECT_EQ(aligned_words({"a", "red", "circle", "left"}, {"a", "circle"}), (Pairs{{0, 0}, {1, -1}, {2, 1}, {3, -1}}));
  EXPECT_EQ(aligned_words({"a", "a", "b"}, {"a", "b", "b"}), (Pairs{{0, 0}, {1, 1}, {2, 2}}));
  EXPECT_EQ(aligned_words({}, {"a"}), (Pairs{{-1, 0}}));
  EXPECT_TRUE(aligned_words({}, {}).empty());
}

TEST(AlignedWords, IsBoundedForLongLists) {
  std::vector<std::string> a(20'000, "x"), b(20'000, "y");
  a.front() = b.front() = "same";
  const auto pairs = aligned_words(a, b);
  EXPECT_EQ(pairs.size(), a.size());
  EXPECT_EQ(pairs.back(), std::pair(19'999, 19'999));
}

// What a small run is made of; `edit` changes one thing in it.
struct Recipe {
  std::string prompt = "a red circle";
  std::vector<std::string> words = {"a", "red", "circle"};
  std::uint64_t seed = 1;
  double guidance = 4;
  std::string solver = "euler";
  int planned = 6, steps = 6;        // planned; run until the kill
  int first_step = 0;
  int changed_from = 100;            // step from which on the series "s.level" and the latents are moved
  double moved = 0.5;
  int word_moved = -1;               // whose attention goes to the other side
  int width = 16, height = 16;
  int square = 0;                    // side of a white square at (8, 4)
  int latent_side = 4, map_side = 4;
  bool pictures = true, finished = true, series = true;
  double nan_at = -1;
};

Image picture_of(const Recipe& r) {
  Image image{.width = r.width, .height = r.height, .channels = 3, .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(r.width * r.height * 3), 40)};
  for (int y = 4; y < 4 + r.square; ++y)
    for (int x = 8; x < 8 + r.square; ++x)
      for (int k = 0; k < 3; ++k) image.pixels[static_cast<std::size_t>((y * r.width + x) * 3 + k)] = 240;
  return image;
}

class Runs : public testing::Test {
 protected:
  Runs() : directory_(std::filesystem::temp_directory_path() / ("safelight-comparison-" + std::to_string(::getpid()))) { std::filesystem::remove_all(directory_); }
  ~Runs() override { std::filesystem::remove_all(directory_); }

  std::vector<float> latent(const Recipe& r, int steps_done) const {
    std::vector<float> out(static_cast<std::size_t>(2 * r.latent_side * r.latent_side));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::sin(static_cast<float>(i + r.seed * 100)) + (steps_done > r.changed_from ? static_cast<float>(r.moved) : 0);
    return out;
  }

  void write_step(const Recipe& r, TraceFile& t, int i) const {
    if (r.series) {
      t.series("s.level", i == static_cast<int>(r.nan_at) ? std::nan("") : 10.0 + i + (i >= r.changed_from ? r.moved : 0));
      t.series("s.still", 2.0);
      const double channels[2] = {1, i >= r.changed_from ? 3.0 : 2.0};
      t.series("s.channels", channels);
    }
    std::vector<float> maps;
    for (std::size_t w = 0; w < r.words.size(); ++w)
      for (int p = 0; p < r.map_side * r.map_side; ++p) {
        const bool left = p % r.map_side < r.map_side / 2;
        maps.push_back(left != (static_cast<int>(w) == r.word_moved) ? 0.5f : 0.0f);
      }
    if (!r.words.empty()) t.map("attention.cross", i, maps);
    const std::vector<int64_t> shape = {1, 2, r.latent_side, r.latent_side};
    if (i + 1 < r.planned) t.store_restart({.steps_done = i + 1, .tensors = {{"latent", {shape, latent(r, i + 1)}}}, .scalars = {}, .draws = 1});
    t.end_step(i, {1, static_cast<double>(r.planned - i) / r.planned, 1000.0 - 1000.0 * i / r.planned});
  }

  TraceReader write(const Recipe& r) {
    const auto directory = directory_ / std::to_string(count_++);
    TraceFile t(directory, {{"format", "safelight-trace/1"}, {"id", directory.filename().string()}, {"created", "at " + directory.string()}},
                [](const Image& image, const std::string&) { return encode_png(image, {}); });
    t.run()["request"] = {{"prompt", r.prompt}, {"model", "toy"}, {"guidance", r.guidance}, {"scheduler", {{"solver", r.solver}, {"eta", nullptr}}}};
    t.run()["resolved"] = {{"prompt", r.prompt}, {"negative", ""}, {"directory", directory.string()}, {"model", "toy"}, {"guidance", r.guidance}, {"seed", r.seed}, {"solver", r.solver}, {"width", r.width}};
    t.run()["weights"] = {{{"component", "unet"}, {"file", directory.string() + "/unet.safetensors"}, {"sha256", "ab"}}};
    if (r.series) t.declare({"s.level", "dB", {}, "s", "a level", {}}), t.declare({"s.still", "", {}, "s", "always 2", {}}), t.declare({"s.channels", "", {2}, "s", "two", {"x", "y"}});
    if (!r.words.empty()) t.declare_map({"attention.cross", r.planned, {static_cast<int64_t>(r.words.size()), r.map_side, r.map_side}, r.words, "shares"});
    const std::vector<int64_t> shape = {1, 2, r.latent_side, r.latent_side};
    t.start_steps({.tensors = {{"latent", shape}, {"final", {2, r.latent_side, r.latent_side}}}, .rows = r.planned});
    if (r.first_step == 0) t.store_restart({.steps_done = 0, .tensors = {{"latent", {shape, latent(r, 0)}}}, .scalars = {}, .draws = 1});
    for (int i = r.first_step; i < r.steps; ++i) write_step(r, t, i);
    if (r.finished) t.final_latent({{2, r.latent_side, r.latent_side}, latent(r, r.planned)});
    if (r.finished && r.pictures) t.image(0, picture_of(r), "", r.seed);
    t.fact("image", "mean_luma", r.square > 0 ? 60.0 : 40.0);
    if (r.finished) t.finish("finished");
    else t.update();
    return TraceReader(directory);
  }

  Comparison compare(const Recipe& a, const Recipe& b, const Baseline* baseline = nullptr) { return compare_runs(write(a), write(b), baseline); }

  std::filesystem::path directory_;
  int count_ = 0;
};

const SeriesDifference& series(const Comparison& c, const std::string& name) {
  for (const SeriesDifference& s : c.series)
    if (s.name == name) return s;
  throw std::runtime_error("no series " + name);
}

std::vector<std::string> paths(const Comparison& c) {
  std::vector<std::string> out;
  for (const ParameterDifference& d : c.parameters) out.push_back(d.path);
  return out;
}

bool misses(const Comparison& c, const std::string& what) {
  for (const std::string& m : c.missing)
    if (m.find(what) != std::string::npos) return true;
  return false;
}

TEST_F(Runs, EqualRunsDoNotPartAndShowNoDifference) {
  const Comparison c = compare({}, {});
  EXPECT_EQ(c.parting.step, -1);
  EXPECT_TRUE(c.parameters.empty()) << c.parameters.front().path;   // not ids, times, directories
  EXPECT_TRUE(c.same_bytes);
  EXPECT_EQ(*c.final_distance, 0);
  EXPECT_EQ(c.latents.size(), 7u);
  EXPECT_EQ(c.pictures.at(0).changed, 0);
  EXPECT_TRUE(c.missing.empty());
  EXPECT_EQ(c.words.at(0).moved_most, 0);
}

TEST_F(Runs, TheFirstStepAtWhichTheyPartIsFound) {
  const Comparison c = compare({}, {.changed_from = 3});
  EXPECT_EQ(c.parting.step, 3);
  EXPECT_EQ(c.parting.timestep, 500);
  EXPECT_EQ(c.parting.by, "s.channels");
  EXPECT_EQ(c.parting.half_steps, 4);
  EXPECT_EQ(c.latents.at(3).distance, 0);
  EXPECT_GT(c.latents.at(4).distance, 0.1);
  const SeriesDifference& level = series(c, "s.level");
  EXPECT_NEAR(level.difference.at(4), 0.5, 1e-5);
  EXPECT_EQ(level.difference.at(2), 0);
  EXPECT_EQ(level.first_pair, 3);
  EXPECT_NEAR(series(c, "s.channels").difference.at(5), 1 / std::sqrt(2.0), 1e-6);
  EXPECT_EQ(series(c, "s.still").first_pair, -1);
  EXPECT_EQ(c.series.front().name, "s.channels");   // relative to its size it moves most
}

TEST_F(Runs, OtherNoisePartsThemBeforeTheFirstStep) {
  const Comparison c = compare({}, {.seed = 2});
  EXPECT_EQ(c.parting.step, 0);
  EXPECT_EQ(c.parting.by, "initial noise");
  EXPECT_EQ(paths(c), (std::vector<std::string>{"resolved.seed"}));
}

TEST_F(Runs, SettingsAreNamedOnceAndMeasuredValuesApart) {
  const Comparison c = compare({}, {.guidance = 9, .solver = "heun", .square = 4});
  EXPECT_EQ(paths(c), (std::vector<std::string>{"resolved.guidance", "resolved.solver", "facts.image.mean_luma"}));
  EXPECT_EQ(c.parameters[0].first, 4.0);
  EXPECT_EQ(c.parameters[0].second, 9.0);
  EXPECT_FALSE(c.parameters[0].measured);
  EXPECT_TRUE(c.parameters[2].measured);
  EXPECT_TRUE(c.latents_scaled);   // solvers may keep their latents in other scales
}

TEST_F(Runs, TheChangedPartOfThePictureIsFound) {
  const Comparison c = compare({}, {.square = 4});
  const PictureDifference& p = c.pictures.at(0);
  EXPECT_EQ(p.box, (std::array<int, 4>{8, 4, 4, 4}));
  EXPECT_NEAR(p.changed, 16.0 / 256, 1e-12);
  EXPECT_NEAR(p.mean, 200.0 * 16 / 256, 1e-9);
  EXPECT_EQ(p.grid.size(), 64u);
  EXPECT_EQ(p.grid.at(2 * 8 + 4), 200);   // row 2, column 4: pixels (8..9, 4..5)
  EXPECT_EQ(p.grid.at(0), 0);
  EXPECT_FALSE(c.same_bytes);
}

TEST_F(Runs, PicturesOfOtherSizesAreBroughtTogetherOrLeftOut) {
  const Comparison larger = compare({}, {.width = 32, .height = 32});
  EXPECT_EQ(larger.pictures.at(0).width, 16);
  EXPECT_TRUE(larger.pictures.at(0).resized);
  EXPECT_LT(larger.pictures.at(0).mean, 1);
  EXPECT_TRUE(misses(larger, "32 x 32"));
  const Comparison wide = compare({}, {.width = 32, .height = 16});
  EXPECT_TRUE(wide.pictures.empty());
  EXPECT_TRUE(misses(wide, "not alike in shape"));
}

TEST_F(Runs, TheWordWhoseAttentionMovedComesFirst) {
  const Comparison c = compare({}, {.prompt = "a blue circle", .words = {"a", "blue", "circle"}, .word_moved = 1});
  const WordDifference& w = c.words.at(0);
  EXPECT_EQ(w.first, "red");
  EXPECT_EQ(w.second, "blue");
  EXPECT_EQ(w.match, "replaced");
  EXPECT_NEAR(w.moved_mean, 1, 1e-6);
  EXPECT_NEAR(w.shift_x, 0.5, 1e-6);
  EXPECT_NEAR(w.shift_y, 0, 1e-6);
  EXPECT_NEAR(w.share_first, 0.25, 1e-6);
  EXPECT_EQ(c.words.at(1).moved_mean, 0);
  EXPECT_EQ(paths(c), (std::vector<std::string>{"resolved.prompt"}));
}

TEST_F(Runs, AWordThatOneRunAloneHasHasNoPartner) {
  const Comparison c = compare({}, {.prompt = "a big red circle", .words = {"a", "big", "red", "circle"}});
  EXPECT_EQ(c.words.size(), 4u);
  EXPECT_EQ(c.words.back().second == "big" ? c.words.back().match : c.words.at(1).match, "only-second");
  EXPECT_EQ(c.sensitivity.words_changed, 1);
}

TEST_F(Runs, AKilledRunIsComparedAsFarAsItWent) {
  const Comparison c = compare({}, {.steps = 3, .finished = false});
  EXPECT_EQ(c.steps.size(), 3u);
  EXPECT_EQ(c.second.status, "running");
  EXPECT_FALSE(c.final_distance);
  EXPECT_EQ(c.latents.size(), 4u);   // before step 0, and after each of three
  EXPECT_TRUE(misses(c, "the second run did not finish (running): 3 steps"));
  EXPECT_TRUE(misses(c, "pictures: the second run has none"));
  EXPECT_NE(comparison_text(c).find("did not finish"), std::string::npos);
}

TEST_F(Runs, ARunThatWentOnFromARestartPointIsPairedByItsStepNumbers) {
  const Comparison c = compare({.changed_from = 4}, {.first_step = 2, .changed_from = 3});
  EXPECT_EQ(c.steps.front().first, 2);
  EXPECT_EQ(c.steps.size(), 4u);
  EXPECT_EQ(c.parting.step, 3);
  EXPECT_EQ(c.words.at(0).moved.size(), 4u);
}

TEST_F(Runs, OtherSchedulesArePairedByTimestep) {
  const Comparison c = compare({}, {.planned = 12, .steps = 12});
  EXPECT_FALSE(c.same_schedule);
  ASSERT_EQ(c.steps.size(), 6u);
  EXPECT_EQ(c.steps.at(2).second, 4);
  EXPECT_TRUE(misses(c, "paired by timestep"));
  EXPECT_EQ(c.latents.size(), 7u);   // every second restart point, and the end
}

TEST_F(Runs, WhatCannotBeComparedIsSaid) {
  const Comparison c = compare({}, {.words = {}, .latent_side = 2, .pictures = false, .series = false});
  EXPECT_TRUE(c.latents.empty());
  EXPECT_TRUE(misses(c, "latents: the runs' latents have different sizes"));
  EXPECT_TRUE(misses(c, "the second run has no map"));
  EXPECT_TRUE(misses(c, "series: the runs have none in common"));
  EXPECT_TRUE(misses(c, "pictures: the second run has none"));
  const Comparison maps = compare({}, {.map_side = 2});
  EXPECT_TRUE(misses(maps, "maps have different sizes"));
  EXPECT_TRUE(maps.words.at(0).moved.empty());
}

TEST_F(Runs, ANumberThatOneRunLacksPartsThem) {
  const Comparison c = compare({}, {.nan_at = 2});
  EXPECT_EQ(c.parting.step, 2);
  EXPECT_TRUE(std::isnan(series(c, "s.level").difference.at(2)));
  EXPECT_TRUE(to_json(c)["series"].dump().find("null") != std::string::npos);
}

Baseline with_edit_band(Band band) {
  Baseline b;
  b.small_edit = band;
  return b;
}

TEST_F(Runs, TheConditioningIsBrittleWhenAWordMovesTheLatentBeyondTheBand) {
  const Baseline narrow = with_edit_band({.low = 0, .median = 0.02, .high = 0.1}), wide = with_edit_band({.low = 0, .median = 0.02, .high = 2}), calm = with_edit_band({.low = 0, .median = 0.6, .high = 0.9});
  const Recipe edited{.prompt = "a blue circle", .words = {"a", "blue", "circle"}, .changed_from = 0, .moved = 0.3};
  EXPECT_EQ(compare({}, edited, &narrow).sensitivity.brittle, "yes");
  EXPECT_EQ(compare({}, edited, &calm).sensitivity.brittle, "no");
  const Sensitivity unclear = compare({}, edited, &wide).sensitivity;   // healthy edits of the noise go as far as another picture
  EXPECT_EQ(unclear.brittle, "unknown");
  EXPECT_GT(*unclear.move, 0.1);
  EXPECT_EQ(*unclear.high, 2);
  EXPECT_EQ(compare({}, edited, nullptr).sensitivity.brittle, "unknown");
}

TEST_F(Runs, OnlyASmallEditOfTheWordingSaysAnythingOfTheConditioning) {
  const Baseline narrow = with_edit_band({.low = 0, .median = 0.02, .high = 0.1});
  const Sensitivity seed = compare({}, {.prompt = "a blue circle", .seed = 5}, &narrow).sensitivity;
  EXPECT_EQ(seed.brittle, "unknown");
  EXPECT_NE(seed.why.find("resolved.seed"), std::string::npos);
  const Sensitivity many = compare({}, {.prompt = "the blue square", .changed_from = 0}, &narrow).sensitivity;
  EXPECT_EQ(many.brittle, "unknown");
  EXPECT_EQ(many.words_changed, 3);
  EXPECT_EQ(compare({}, {}, &narrow).sensitivity.why, "the runs were asked for the same");
}

TEST_F(Runs, ARecordOfTheWrongKindIsRefusedByName) {
  const TraceReader good = write({}), bad = write({});
  Json run = bad.run();
  run["resolved"]["prompt"] = 7;
  std::ofstream(bad.directory() / "run.json") << run.dump();
  try {
    compare_runs(good, TraceReader(bad.directory()), nullptr);
    FAIL() << "it was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::corrupt_file);
    EXPECT_NE(std::string(e.what()).find(bad.directory().string()), std::string::npos);
  }
}

}  // namespace
}  // namespace safelight
