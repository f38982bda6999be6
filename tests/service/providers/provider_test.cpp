// What is asked over each wire, what happens to what a model lacks, and where the money goes.
#include "service/providers/provider.h"

#include <cmath>
#include <thread>

#include "common/base/error.h"
#include "common/formats/png.h"
#include "tests/service/providers/provider_fixture.h"

namespace safelight {
namespace {

class Providers : public ProviderTest {};

std::string flat_png(int width, int height, std::uint8_t value, int channels = 3) {
  const auto bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * static_cast<std::size_t>(channels);
  return encode_png({.width = width, .height = height, .channels = channels, .pixels = std::vector<std::uint8_t>(bytes, value)}, {});
}

Json body(const Observed& o) { return o.fake["bodies"].empty() ? Json() : o.fake["bodies"].back(); }

std::string why(const Observed& o) { return o.outcome.failure ? o.outcome.failure->message : ""; }

TEST_F(Providers, DallE3HdIsAskedForAsItsVendorWants) {
  ImageRequest request = plain();
  request.quality = "high", request.style = "natural", request.width_px = 1792, request.height_px = 1024;
  const Observed o = ask(wire("dall_e"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(body(o), Json::parse(R"({"model": "dall-e-3", "prompt": "a red barn", "n": 1, "size": "1792x1024", "response_format": "b64_json", "quality": "hd", "style": "natural"})"));
  EXPECT_EQ(o.outcome.images[0].width_px, 1792);
  EXPECT_EQ(o.outcome.images[0].revised_prompt, "A finer a red barn");
  EXPECT_FALSE(o.outcome.attempts[0].request_id.empty());
  EXPECT_NEAR(o.outcome.cost.usd, 0.04, 1e-9);
}

TEST_F(Providers, GptImageTakesItsOwnWords) {
  ImageRequest request = plain();
  request.count = 3, request.quality = "draft", request.format = "webp", request.compression = 40, request.transparent = true;
  const Observed o = ask(wire("gpt_image"), "ok", request, {.more_row = "tokens = { text_in = 5, image_in = 8, image_out = 30 }\n"});
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(body(o)["output_format"], "webp");
  EXPECT_EQ(body(o)["background"], "transparent");
  EXPECT_EQ(body(o)["output_compression"], 40);
  EXPECT_FALSE(body(o).contains("response_format"));
  ASSERT_EQ(o.outcome.images.size(), 3u);
  EXPECT_EQ(o.outcome.images[2].mime, "image/webp");
  EXPECT_EQ(o.outcome.cost.basis, "usage");
  EXPECT_NEAR(o.outcome.cost.usd, (10 * 5 + 40 * 8 + 3 * 4160 * 30) / 1e6, 1e-9);
  EXPECT_EQ(o.requests(), 1);
}

TEST_F(Providers, GptImageEditsWithPicturesAndAMask) {
  ImageRequest request = plain();
  request.init = flat_png(256, 256, 10), request.references = {flat_png(8, 8, 1), flat_png(9, 9, 2)};
  Image mask{.width = 256, .height = 256, .channels = 1, .pixels = std::vector<std::uint8_t>(65536, 0)};
  std::fill(mask.pixels.begin() + 32768, mask.pixels.end(), std::uint8_t{255});
  request.mask = encode_png(mask, {});
  EXPECT_EQ(ask(wire("gpt_image"), "ok", request).failure(), "unsupported");  // it would not keep to the mask
  request.unsupported = UnsupportedPolicy::emulate;
  const Observed o = ask(wire("gpt_image"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(body(o)["image[]"].size(), 3u);
  EXPECT_EQ(body(o)["mask"].size(), 1u);
  const Image made = decode_png(o.outcome.images[0].bytes, "answer");
  ASSERT_EQ(made.pixels.size(), 256u * 256 * 3);
  for (std::size_t i = 0; i < 32768 * 3; ++i) ASSERT_EQ(made.pixels[i], 10) << i;  // outside the mask nothing has changed
  EXPECT_NE(std::vector<std::uint8_t>(made.pixels.end() - 3, made.pixels.end()), std::vector<std::uint8_t>(3, 10));
}

TEST_F(Providers, GptImageStreamsPreviews) {
  ImageRequest request = plain();
  request.previews = 2;
  const std::tuple<const char*, const char*, std::size_t, int> cases[] = {
      {"ok", "", 2, 1}, {"stream_bytes", "", 2, 1}, {"stream_noise", "", 2, 1}, {"stream_early", "", 2, 1},
      // The work had been accepted before it broke.
      {"stream_error,ok", "ambiguous", 1, 1}, {"stream_residue,ok", "ambiguous", 1, 1}, {"stream_cut,ok", "no_image", 2, 1}, {"stream_refused,ok", "refused", 1, 1},
      {"throttled,ok", "", 2, 2},
  };
  for (const auto& [scenarios, failure, previews, requests] : cases) {
    const Observed o = ask(wire("gpt_image"), scenarios, request);
    EXPECT_EQ(o.failure(), failure) << scenarios << why(o);
    EXPECT_EQ(o.previews.size(), previews) << scenarios;
    EXPECT_EQ(o.requests(), requests) << scenarios;
    EXPECT_LE(o.accepted(), 1) << scenarios;
  }
}

TEST_F(Providers, GeminiTakesSizeSeedAndPictures) {
  ImageRequest request = plain();
  request.width_px = 1376, request.height_px = 768, request.seed = 7, request.references = {flat_png(8, 8, 1)};
  const Observed o = ask(wire("gemini"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(body(o)["generationConfig"], Json::parse(R"({"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "16:9", "imageSize": "1K"}, "seed": 7})"));
  EXPECT_EQ(body(o)["contents"][0]["parts"].size(), 2u);
  EXPECT_EQ(o.outcome.images[0].seed, 7u);
  EXPECT_EQ(o.outcome.reported_model, "gemini-3.1-flash-image");
  EXPECT_TRUE(o.outcome.warnings.empty());
  request.seed = std::uint64_t{1} << 40;
  EXPECT_NE(every_text(ask(wire("gemini"), "ok", request)).find("31 bits"), std::string::npos);
}

TEST_F(Providers, GeminiSaysWhatTheModelSaid) {
  EXPECT_NE(why(ask(wire("gemini"), "refused", plain())).find("IMAGE_SAFETY): I cannot paint that."), std::string::npos);
  EXPECT_NE(why(ask(wire("gemini"), "blocked", plain())).find("not that"), std::string::npos);
}

TEST_F(Providers, ImagenAsksForReasonsAndDeliversWhatPassed) {
  ImageRequest request = plain();
  request.count = 4, request.width_px = 1408, request.height_px = 768, request.format = "jpeg", request.compression = 60;
  const Observed o = ask(wire("imagen"), "partly", request);
  EXPECT_EQ(body(o)["parameters"], Json::parse(R"({"sampleCount": 4, "includeRaiReason": true, "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 60}, "aspectRatio": "16:9"})"));
  EXPECT_EQ(o.outcome.images.size(), 3u);
  EXPECT_EQ(o.failure(), "refused");
  EXPECT_NEAR(o.outcome.cost.usd, 0.12, 1e-9);  // what was filtered out is not charged
  ImageRequest seeded = plain();
  seeded.seed = 3, seeded.negative = "fog";
  const Observed v = ask(wire("imagen_vertex"), "ok", seeded);
  ASSERT_TRUE(v.outcome.complete()) << why(v);
  EXPECT_EQ(body(v)["parameters"]["addWatermark"], false);
  EXPECT_EQ(body(v)["parameters"]["negativePrompt"], "fog");
}

TEST_F(Providers, ComfyUiFillsItsWorkflow) {
  ImageRequest request = plain();
  request.count = 2, request.seed = 5, request.steps = 12, request.guidance = 4.5, request.negative = "fog", request.width_px = 128, request.height_px = 64;
  const Observed o = ask(wire("comfyui"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  const Json sampler = body(o)["prompt"]["5"]["inputs"];
  EXPECT_EQ(sampler["seed"], 5);
  EXPECT_EQ(sampler["steps"], 12);
  EXPECT_EQ(sampler["cfg"], 4.5);
  EXPECT_EQ(body(o)["prompt"]["3"]["inputs"]["text"], "fog");
  EXPECT_EQ(o.outcome.images.size(), 2u);
  EXPECT_EQ(o.outcome.images[1].width_px, 128);
  EXPECT_EQ(o.ledger[0].remote_id, body(o)["prompt_id"]);  // recorded before it was asked about

  Wire other = wire("comfyui");
  other.row.replace(other.row.find("painter"), 7, "nobody");
  EXPECT_EQ(ask(other, "ok", plain()).failure(), "model_not_found");
}

TEST_F(Providers, SdCppTakesEverythingItHasAWordFor) {
  ImageRequest request = plain();
  request.count = 2, request.seed = 5, request.steps = 12, request.guidance = 4.5, request.negative = "fog", request.strength = 0.5;
  request.init = flat_png(64, 64, 3), request.mask = flat_png(64, 64, 255, 1);
  const Observed o = ask(wire("sdcpp"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(body(o)["sample_params"], Json::parse(R"({"sample_steps": 12, "guidance": {"txt_cfg": 4.5}})"));
  EXPECT_EQ(body(o)["strength"], 0.5);
  EXPECT_EQ(o.outcome.images[1].seed, 6u);
  EXPECT_FALSE(o.ledger[0].remote_id.empty());
}

TEST_F(Providers, APeerIsToldThatNobodyWaits) {
  ImageRequest request = plain();
  request.deadline_ms = 300;
  for (const char* name : {"comfyui", "sdcpp"}) EXPECT_TRUE(body(ask(wire(name), "endless", request)).contains("cancelled")) << name;
}

TEST_F(Providers, WhatAModelLacksIsRefusedDroppedOrEmulated) {
  ImageRequest request = plain();
  request.seed = 1, request.width_px = 1000, request.height_px = 1000;
  Observed o = ask(wire("dall_e"), "ok", request);
  EXPECT_EQ(o.failure(), "unsupported");
  EXPECT_EQ(o.requests(), 0);
  request.unsupported = UnsupportedPolicy::drop;
  o = ask(wire("dall_e"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(o.outcome.warnings.size(), 2u);
  request.unsupported = UnsupportedPolicy::emulate;
  EXPECT_EQ(ask(wire("dall_e"), "ok", request).failure(), "unsupported");  // there is no other way to a seed
  request.seed.reset();
  o = ask(wire("dall_e"), "ok", request);
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(o.outcome.images[0].width_px, 1024);
  EXPECT_EQ(o.outcome.warnings.size(), 1u);
}

TEST_F(Providers, SeveralPicturesBecomeSeveralCalls) {
  ImageRequest request = plain();
  request.count = 5;
  const Observed o = ask(wire("dall_e"), "ok", request);
  EXPECT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(o.outcome.images.size(), 5u);
  EXPECT_EQ(o.requests(), 5);
  EXPECT_NEAR(o.outcome.cost.usd, 0.20, 1e-9);
  request.count = 6, request.seed = 40;
  const Observed two = ask(wire("sdcpp"), "ok", request);
  ASSERT_EQ(two.outcome.images.size(), 6u) << why(two);
  EXPECT_EQ(two.outcome.images[5].seed, 45u);
}

TEST_F(Providers, MoneyEndsARequestBeforeItIsSpent) {
  ImageRequest request = plain();
  request.count = 4, request.max_usd = 0.09;
  Observed o = ask(wire("dall_e"), "ok", request);
  EXPECT_EQ(o.failure(), "over_budget");
  EXPECT_EQ(o.accepted(), 2);
  EXPECT_EQ(o.outcome.images.size(), 2u);
  request.max_usd = 0.01;
  EXPECT_EQ(ask(wire("dall_e"), "ok", request).requests(), 0);
}

TEST_F(Providers, ASecondPaymentNeedsPermissionAndMoney) {
  ImageRequest request = plain();
  request.paid_retry = true;
  Observed o = ask(wire("dall_e"), "close_before,ok", request);
  EXPECT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_NEAR(o.outcome.cost.usd, 0.04, 1e-9);
  EXPECT_NEAR(o.outcome.cost.possible_usd, 0.04, 1e-9);
  EXPECT_EQ(ask(wire("dall_e"), "close_before", request).requests(), 2);  // once, not again and again
  request.max_usd = 0.05;
  o = ask(wire("dall_e"), "close_before,ok", request);
  EXPECT_EQ(o.failure(), "ambiguous");
  EXPECT_EQ(o.requests(), 1);
}

// Refuses the n-th attempt, as a full disk would.
class FullLedger final : public Ledger {
 public:
  explicit FullLedger(int room) : room_(room) {}
  void open(const AttemptRecord&) override {
    if (--room_ < 0) throw Error(ErrorCode::io, "no space left");
  }
  void note_remote_id(const std::string&, const std::string&) override {}
  void close(const AttemptRecord&) noexcept override {}

 private:
  std::atomic<int> room_;
};

TEST_F(Providers, NothingIsSentThatCannotBeRecorded) {
  FullLedger full(0), nearly(1);
  EXPECT_THROW(ask(wire("dall_e"), "ok", plain(), {.ledger = &full}), Error);
  const Observed o = ask(wire("dall_e"), "error500,ok", plain(), {.ledger = &nearly});
  EXPECT_EQ(o.failure(), "over_budget");
  EXPECT_EQ(o.requests(), 1);
}

TEST_F(Providers, ARetiredModelNamesItsSuccessorAndGivesWayWhereAllowed) {
  const std::string more = "shutdown_date = \"2026-05-12\"\nsuccessor = \"next\"\n[models.next]\nprotocol = \"sdcpp\"\nwire_model = \"x\"\nfree = true\nbase_url = \"" +
                           fake("peer_fake.py").origin() + "/successor/ok\"\ncan = { sizes = [\"64x64\"] }\n";
  ImageRequest request = plain();
  Observed o = ask(wire("dall_e"), "ok", request, {.more_row = more});
  EXPECT_EQ(o.failure(), "model_retired");
  EXPECT_EQ(o.requests(), 0);
  EXPECT_NE(why(o).find("'next'"), std::string::npos);
  request.allow_successor = true;
  o = ask(wire("dall_e"), "ok", request, {.more_row = more});
  ASSERT_TRUE(o.outcome.complete()) << why(o);
  EXPECT_EQ(o.outcome.requested_model, "m");
  EXPECT_EQ(o.outcome.served_model, "next");
  EXPECT_NE(o.outcome.substitution_reason.find("2026-05-12"), std::string::npos);
}

TEST_F(Providers, AWrongRequestIsRefusedWithEveryProblem) {
  ImageRequest request = plain();
  request.prompt = "", request.count = 65, request.quality = "best", request.mask = "x", request.guidance = std::nan("");
  try {
    ask(wire("dall_e"), "ok", request);
    FAIL();
  } catch (const Error& e) {
    for (const char* word : {"prompt", "count", "draft, standard, high, max", "mask", "guidance"}) EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
  }
}

TEST_F(Providers, ACancelWhileAProviderPaintsIsSeenSoon) {
  for (const char* name : {"dall_e", "comfyui"}) {
    std::atomic<bool> cancel = false;
    std::thread later([&] { std::this_thread::sleep_for(std::chrono::milliseconds(200)), cancel = true; });
    const auto start = std::chrono::steady_clock::now();
    const Observed o = ask(wire(name), std::string(name) == "dall_e" ? "hang" : "endless", plain(), {.more_row = "timeout_ms = 3600000\n", .cancel = &cancel});
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
    later.join();
    EXPECT_EQ(o.failure(), "cancelled") << name;
    EXPECT_EQ(o.ledger.at(0).acceptance, Acceptance::unknown);  // it may be billed
  }
}

}  // namespace
}  // namespace safelight
