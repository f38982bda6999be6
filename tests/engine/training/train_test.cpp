#include "engine/training/train.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/io.h"
#include "engine/training/attention_loss.h"
#include "engine/training/scene_batch.h"
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
      const int64_t place = batch.nouns[0][static_cast<int64_t>(m)].item<int64_t>();
      EXPECT_EQ(prompt.tokens.at(static_cast<std::size_t>(place)).text, batch.captions[0].text.substr(mention.begin, mention.end - mention.begin)) << batch.captions[0].text;
    }
  }
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
