#include "engine/training/train.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "engine/training/attention_loss.h"
#include "engine/training/model_export.h"
#include "engine/training/scene_batch.h"
#include "engine/training/training_loop.h"
#include "tests/engine/training/tiny_parts.h"
#include "engine/weights/weight_file.h"

namespace safelight {
namespace {

// A model of a few thousand weights, trained for a few steps.
constexpr const char* kOwn = R"(
name = "tiny"
image_px = 32
text_length = 32
quoted = "spelled"
spelling = true
crop_px = 16
attention_weight = 0.1
pool = 32
[scenes]
shapes = 8
colours = 10
patterns = 4
share = [1, 1, 1, 1, 1, 1]
[train_autoencoder]
samples = 24
batch = 4
precision = "bfloat16"
[train_text]
samples = 32
batch = 8
[train_denoiser]
samples = 64
batch = 8
warmup_steps = 2
[recommended]
steps = 4
guidance = 2.0
scheduler = "ddim"
)";
const std::string kTiny = std::string(kOwn) + kTinyScheduler + kTinyParts + "sample_size = 16\n";

class Training : public testing::Test {
 protected:
  Training() : directory_(std::filesystem::temp_directory_path() / ("safelight-training-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(directory_);
    at::set_num_threads(1);  // layers of a few numbers: a second thread only waits
    write_file_atomic(directory_ / "tiny.toml", kTiny);
  }
  ~Training() override { std::filesystem::remove_all(directory_); }
  Recipe recipe() const { return Recipe::read(directory_ / "tiny.toml"); }
  TrainOptions into(const char* name) const {
    TrainOptions options;
    options.out = directory_ / name;
    return options;
  }
  std::string bytes(const char* name, const char* file) const { return read_file(directory_ / name / "model" / file); }
  std::filesystem::path directory_;
};

constexpr const char* kUnet = "unet/diffusion_pytorch_model.safetensors";
constexpr const char* kText = "text_encoder/model.safetensors";

TEST_F(Training, StoppedAtEveryStepAndCalledAgainItGivesTheSameBytes) {
  const TrainReport whole = train(recipe(), into("whole"));
  EXPECT_TRUE(whole.finished);
  EXPECT_EQ(whole.samples.at("denoiser"), 64);
  TrainReport report;
  for (int calls = 0; calls < 60 && !report.finished; ++calls) {
    TrainOptions options = into("parts");
    int steps = 0;
    options.stop = [&] { return ++steps > 9; };
    report = train(recipe(), options);
  }
  EXPECT_TRUE(report.finished);
  EXPECT_TRUE(bytes("whole", kUnet) == bytes("parts", kUnet));  // not EXPECT_EQ: it would print them
  EXPECT_TRUE(bytes("whole", kText) == bytes("parts", kText));
}

TEST_F(Training, GoesOnFromHalfPrecisionWeights) {
  train(recipe(), into("first"));
  TrainOptions options = into("second");
  options.from = directory_ / "first" / "model";
  options.stages = "denoiser";
  EXPECT_TRUE(train(recipe(), options).finished);
  EXPECT_FALSE(bytes("first", kUnet) == bytes("second", kUnet));
  EXPECT_TRUE(bytes("first", "vae/diffusion_pytorch_model.safetensors") == bytes("second", "vae/diffusion_pytorch_model.safetensors"));
  const Json record = Json::parse(bytes("second", "training.json"));
  EXPECT_EQ(record.at("continues").at("stages").at("denoiser").at("samples"), 64);
}

TEST_F(Training, RefusesWhatDoesNotFit) {
  train(recipe(), into("model"));
  Recipe other = recipe();
  other.unet["block_out_channels"] = {16, 32};
  TrainOptions options = into("model");
  EXPECT_THROW(train(other, options), Error);                // the checkpoint is another recipe's
  options.stages = "painting";
  EXPECT_THROW(train(recipe(), options), Error);
  options = into("nothing");
  options.stages = "denoiser";
  EXPECT_THROW(train(recipe(), options), Error);             // no autoencoder from anywhere
  write_file_atomic(directory_ / "tiny.toml", "colour = 3\n" + kTiny);
  EXPECT_THROW(recipe(), Error);
}

TEST_F(Training, NounsOfCaptionsAreFoundAmongTheTokens) {
  train(recipe(), into("model"));
  const auto tokenizer = ClipTokenizer::open(directory_ / "model" / "model" / "tokenizer");
  SceneOptions options = recipe().scenes;
  for (uint64_t i = 0; i < 200; ++i) {
    const Scene scene = make_scene(options, 5, i);
    const CaptionBatch batch = caption_batch({&scene}, {false}, i, tokenizer, 64);
    const TokenizedPrompt prompt = tokenizer.encode(batch.captions[0].text, 64);
    ASSERT_FALSE(batch.captions[0].mentions.empty());
    for (std::size_t m = 0; m < batch.captions[0].mentions.size(); ++m) {
      const Mention& mention = batch.captions[0].mentions[m];
      const int64_t place = batch.placed[0][static_cast<int64_t>(m)].item<int64_t>();
      EXPECT_EQ(prompt.tokens.at(static_cast<std::size_t>(place)).text, batch.captions[0].text.substr(mention.begin, mention.end - mention.begin)) << batch.captions[0].text;
    }
  }
}

// Letters of a sign have places of their own where they are tokens of their own, and masks side by side along the board.
TEST_F(Training, LettersOfSignsAreFoundAmongTheTokensAndInThePicture) {
  Recipe merged = recipe();
  merged.quoted = QuotedText::merged;
  write_scene_tokenizer(directory_ / "merged", merged);
  write_scene_tokenizer(directory_ / "spelled", recipe());
  const auto whole_words = ClipTokenizer::open(directory_ / "merged"), letters = ClipTokenizer::open(directory_ / "spelled");
  SceneOptions options = recipe().scenes;
  options.share = {0, 0, 0, 0, 0, 1};
  int whole = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const Scene scene = make_scene(options, 6, i);
    const std::string& text = scene.sign->text;
    const CaptionBatch batch = caption_batch({&scene}, {false}, i, letters, 64);
    const TokenizedPrompt prompt = letters.encode(batch.captions[0].text, 64);
    const at::Tensor masks = scene_masks({scene})[0].to(at::kFloat) / 255;
    double before = -1;
    for (std::size_t k = 0; k < text.size(); ++k) {
      const auto row = kMentions + static_cast<int64_t>(k), of_mask = kLetterRow + static_cast<int64_t>(k);
      const auto place = static_cast<std::size_t>(batch.placed[0][row].item<int64_t>());
      EXPECT_EQ(prompt.tokens.at(place).text, std::string(1, static_cast<char>(std::tolower(text[k])))) << batch.captions[0].text;
      EXPECT_EQ(batch.rows[0][row][of_mask].item<float>(), 1);
      EXPECT_EQ(batch.rows[0][row].sum().item<float>(), 1);
      const at::Tensor mask = masks[of_mask];
      ASSERT_GT(mask.sum().item<float>(), 0) << text;
      EXPECT_LE((mask - masks[kSignRow]).max().item<float>(), 0.07) << text;    // on the board
      const double middle = (mask.sum(0) * at::arange(kMaskSide, at::kFloat)).sum().item<double>() / mask.sum().item<double>();
      EXPECT_GT(middle, before) << text;
      before = middle;
    }
    for (auto k = static_cast<int64_t>(text.size()); k < kMaxLetters; ++k) EXPECT_EQ(batch.placed[0][kMentions + k].item<int64_t>(), 0);
    const CaptionBatch in_words = caption_batch({&scene}, {false}, i, whole_words, 64);
    const auto tokens = whole_words.encode(in_words.captions[0].text, 64).tokens;
    if (std::any_of(tokens.begin(), tokens.end(), [&](const TokenSpan& t) { return t.text.size() == text.size() && text.size() > 1 && std::equal(text.begin(), text.end(), t.text.begin(), [](char a, char b) { return std::tolower(a) == b; }); })) {
      ++whole;
      EXPECT_EQ(in_words.placed[0].narrow(0, kMentions, kMaxLetters).sum().item<int64_t>(), 0) << text;   // one token: no letter has a place
    }
  }
  EXPECT_GT(whole, 10);
}

// Two text encoders under one denoiser: two models that differ in nothing else.
TEST_F(Training, TextEncodersShareADenoiser) {
  Recipe other = recipe();
  other.name = "spelling";
  Recipe own = recipe();
  own.quoted = QuotedText::merged;
  TrainOptions options = into("shared");
  options.sharing = {{other, {}}};
  ASSERT_TRUE(train(own, options).finished);
  const auto spelling = directory_ / "shared" / "spelling" / "model";
  EXPECT_TRUE(read_file(spelling / kUnet) == bytes("shared", kUnet));
  EXPECT_TRUE(std::filesystem::is_symlink(spelling / "unet"));
  EXPECT_FALSE(read_file(spelling / kText) == bytes("shared", kText));
  EXPECT_EQ(read_json(spelling / "safelight.json").at("name"), "spelling");
  EXPECT_EQ(read_json(spelling / "training.json").at("shares_denoiser_of").at("samples"), 64);

  TrainReport report;   // stopped now and then, the same bytes
  for (int calls = 0; calls < 80 && !report.finished; ++calls) {
    TrainOptions parts = options;
    parts.out = directory_ / "stopped";
    int steps = 0;
    parts.stop = [&] { return ++steps > 9; };
    report = train(own, parts);
  }
  ASSERT_TRUE(report.finished);
  EXPECT_TRUE(bytes("shared", kUnet) == bytes("stopped", kUnet));
  EXPECT_TRUE(read_file(directory_ / "stopped" / "spelling" / "model" / kText) == read_file(spelling / kText));

  TrainOptions onward = into("onward");   // from both models, without another text stage
  onward.from = directory_ / "shared" / "model";
  onward.stages = "denoiser";
  onward.sharing = {{other, spelling}};
  ASSERT_TRUE(train(own, onward).finished);
  EXPECT_FALSE(std::filesystem::exists(checkpoint_file(directory_ / "onward" / "spelling", "text")));

  other.text_length = 24;
  onward = into("unlike");
  onward.sharing = {{other, {}}};
  EXPECT_THROW(train(own, onward), Error);
}

TEST_F(Training, AnAutoencoderAloneIsAModel) {
  TrainOptions options = into("alone");
  options.stages = "autoencoder";
  ASSERT_TRUE(train(recipe(), options).finished);
  const Json index = Json::parse(bytes("alone", "model_index.json"));
  EXPECT_EQ(index.at("_class_name"), "AutoencoderKL");
  EXPECT_FALSE(index.contains("unet"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "alone" / "model" / "scheduler"));
  EXPECT_EQ(Json::parse(bytes("alone", "safelight.json")).at("image_px"), 32);
  EXPECT_EQ(Json::parse(bytes("alone", "training.json")).at("stages").at("autoencoder").at("samples"), 24);
  TrainOptions onward = into("whole");
  onward.from = directory_ / "alone" / "model";
  onward.stages = "denoiser";
  EXPECT_THROW(train(recipe(), onward), Error);   // it lends no text encoder
}

// Another mixture of scenes does not change the scale of latents that a denoiser has learnt.
TEST_F(Training, AGivenAutoencoderKeepsItsScale) {
  train(recipe(), into("first"));
  Recipe signs = recipe();
  signs.scenes.share = {1, 1, 1, 1, 1, 30};
  TrainOptions options = into("second");
  options.from = directory_ / "first" / "model";
  options.stages = "denoiser";
  ASSERT_TRUE(train(signs, options).finished);
  EXPECT_EQ(bytes("first", "vae/config.json"), bytes("second", "vae/config.json"));
}

TEST(AttentionLosses, AreSmallWhereAttentionLiesInTheMask) {
  // Two tokens; the second is the noun. Queries of the upper half of a 4 x 4 map look at it when `where` is 0.
  const auto loss_at = [](int64_t where) {
    at::Tensor q = at::zeros({1, 1, 16, 2}), k = at::zeros({1, 1, 2, 2});
    q.narrow(2, where, 8).select(3, 0).fill_(10);
    k[0][0][1][0] = 1;
    k[0][0][0][0] = -1;
    at::Tensor masks = at::zeros({1, 1, 4, 4});
    masks.narrow(2, 0, 2).fill_(1);
    AttentionLoss loss(at::ones({1, 1}, at::kLong), masks, at::ones({1}));
    loss.on_attention({.layer = "x", .cross = true, .q = q, .k = k, .v = k, .scale = 1.0, .bias = {}});
    return loss.value().item<double>();
  };
  EXPECT_LT(loss_at(0), 0.8);
  EXPECT_GT(loss_at(8), loss_at(0) + 0.5);
}

}  // namespace
}  // namespace safelight
