#include "common/formats/picture_parameters.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <chrono>

#include "common/base/error.h"
#include "common/base/json.h"

namespace safelight {
namespace {

PictureParameters read(const std::string& key, const std::string& text) {
  const auto out = picture_parameters({{{key, text}}}, "'a.png'");
  if (!out) throw std::runtime_error("no dialect claims it");
  return *out;
}

std::string all(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& l : lines) out += l + "\n";
  return out;
}

std::string be32(std::size_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  return be32(data.size()) + body + be32(crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
}

std::string deflated(const std::string& text) {
  std::string out(compressBound(text.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()), text.size());
  out.resize(size);
  return out;
}

// A gray picture of one pixel with these chunks before (or after) the pixels.
std::string png_with(const std::string& before, const std::string& after = "") {
  return std::string("\x89PNG\r\n\x1a\n", 8) + chunk("IHDR", be32(1) + be32(1) + std::string("\x08\0\0\0\0", 5)) + before + chunk("IDAT", deflated(std::string(2, '\0'))) + after + chunk("IEND", "");
}

const char* kWebui = "a (red:1.3) barn, <lora:rustic:0.7> autumn\nsecond line\nNegative prompt: blurry,\ntext\nSteps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 4294967295, "
                     "Size: 640x448, Model hash: 6ce0161689, Model: v1-5-pruned, Clip skip: 2, Lora hashes: \"rustic: aa, b: cc\", Version: v1.6.0";

TEST(Webui, ReadsWhatTheWebInterfaceWrites) {
  const PictureParameters p = read("parameters", kWebui);
  EXPECT_EQ(p.tool, "AUTOMATIC1111");
  EXPECT_EQ(p.request.prompt, "a (red:1.3) barn,  autumn\nsecond line");
  EXPECT_EQ(p.request.negative, "blurry,\ntext");
  EXPECT_EQ(p.request.steps, 28);
  EXPECT_EQ(p.request.scheduler.solver, "dpmpp-2m");
  EXPECT_EQ(p.request.scheduler.spacing, "karras");
  EXPECT_EQ(p.request.guidance, 6.5);
  EXPECT_EQ(p.request.seed, 4294967295u);
  EXPECT_EQ(p.request.width, 640);
  EXPECT_EQ(p.request.height, 448);
  EXPECT_EQ(p.request.model, "v1-5-pruned");
  EXPECT_EQ(p.request.clip_skip, 1);
  EXPECT_NE(all(p.unknown).find("<lora:rustic:0.7>"), std::string::npos);
  EXPECT_NE(all(p.unknown).find("other noise"), std::string::npos);
  EXPECT_TRUE(check(p.request).empty());
}

TEST(Webui, ASpacingOfItsOwnAndStableDiffusionCpp) {
  const PictureParameters a = read("parameters", "x\nSteps: 20, Sampler: Euler a, Schedule type: SGM Uniform, CFG scale: 7, Seed: 1, Size: 512x512, Model: m");
  EXPECT_EQ(a.request.scheduler.solver, "euler-ancestral");
  EXPECT_EQ(a.request.scheduler.spacing, "sgm-uniform");
  const PictureParameters b = read("parameters", "x\nNegative prompt: \nSteps: 4, CFG scale: 1.000000, Guidance: 3.500000, Seed: 42, Size: 512x512, Model: C:\\models\\flux1-schnell-q8_0.gguf, RNG: cuda, Sampler: dpm++2m karras, Version: stable-diffusion.cpp");
  EXPECT_EQ(b.tool, "stable-diffusion.cpp");
  EXPECT_EQ(b.request.model, "flux1-schnell-q8_0");
  EXPECT_EQ(b.request.scheduler.solver, "dpmpp-2m");
  EXPECT_EQ(b.request.scheduler.spacing, "karras");
  EXPECT_EQ(b.request.negative, "");
}

TEST(Webui, WhatCannotBeTranslatedIsSaid) {
  const PictureParameters p = read("parameters", "x\nSteps: 1e9, Sampler: Quantum 9000, CFG scale: nan, Seed: -1, Size: 9x-4, Denoising strength: 0.5, Model hash: abcdef");
  EXPECT_EQ(p.request.steps, 0);
  EXPECT_FALSE(p.request.guidance);
  for (const char* part : {"steps is given", "Quantum 9000", "guidance is given", "seed is given", "height is given", "another picture", "hash 'abcdef'"})
    EXPECT_NE(all(p.unknown).find(part), std::string::npos) << part;
}

TEST(Webui, OtherTextIsNotClaimed) {
  EXPECT_FALSE(picture_parameters({{{"parameters", "hello"}}}, "x"));
  EXPECT_FALSE(picture_parameters({{{"Software", "gimp"}}}, "x"));
  EXPECT_FALSE(picture_parameters({}, "x"));
}

const char* kComfy = R"({"3": {"class_type": "KSampler", "is_changed": [NaN], "inputs": {"seed": 77, "steps": 25, "cfg": 5.5, "sampler_name": "euler_ancestral", "scheduler": "karras",
   "denoise": 1, "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
  "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub/dreamy.safetensors"}},
  "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 768, "height": 512, "batch_size": 1}},
  "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["12", 0], "clip": ["10", 1]}}, "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "NaN \"bread\"", "clip": ["4", 1]}},
  "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}}, "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
  "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "ink.safetensors", "strength_model": 0.8, "model": ["4", 0], "clip": ["4", 1]}},
  "12": {"class_type": "PrimitiveString", "inputs": {"value": "a lighthouse"}}})";

TEST(Comfy, FollowsLinks) {
  const PictureParameters p = read("prompt", kComfy);
  EXPECT_EQ(p.request.prompt, "a lighthouse");
  EXPECT_EQ(p.request.negative, "NaN \"bread\"");
  EXPECT_EQ(p.request.seed, 77u);
  EXPECT_EQ(p.request.steps, 25);
  EXPECT_EQ(p.request.guidance, 5.5);
  EXPECT_EQ(p.request.scheduler.solver, "euler-ancestral");
  EXPECT_EQ(p.request.scheduler.spacing, "karras");
  EXPECT_EQ(p.request.width, 768);
  EXPECT_EQ(p.request.height, 512);
  EXPECT_EQ(p.request.model, "dreamy");
  EXPECT_NE(all(p.unknown).find("ink.safetensors"), std::string::npos);
}

TEST(Comfy, ReadsCustomSamplersAndPasses) {
  const PictureParameters p = read("prompt", R"({"1": {"inputs": {"noise": ["2", 0], "guider": ["3", 0], "sampler": ["4", 0], "sigmas": ["5", 0], "latent_image": ["6", 0]}},
    "2": {"inputs": {"noise_seed": 9}}, "3": {"inputs": {"model": ["7", 0], "conditioning": ["8", 0]}}, "4": {"inputs": {"sampler_name": "euler"}},
    "5": {"inputs": {"scheduler": "simple", "steps": 4, "denoise": 1, "model": ["7", 0]}}, "6": {"inputs": {"width": 1024, "height": 1024}}, "7": {"inputs": {"unet_name": "flux1-schnell.safetensors"}},
    "8": {"inputs": {"text": "a fox", "clip": ["99", 0]}},
    "20": {"inputs": {"latent_image": ["21", 0], "sampler_name": "heun", "scheduler": "normal", "seed": 1, "steps": 10, "cfg": 2, "positive": ["8", 0]}},
    "21": {"inputs": {"samples": ["1", 0]}}, "22": {"inputs": {"samples": ["20", 0]}}, "23": {"inputs": {"images": ["22", 0]}}})");
  EXPECT_EQ(p.request.prompt, "a fox");
  EXPECT_EQ(p.request.seed, 9u);
  EXPECT_EQ(p.request.steps, 4);
  EXPECT_EQ(p.request.scheduler.solver, "euler");
  EXPECT_EQ(p.request.model, "flux1-schnell");
  EXPECT_NE(all(p.unknown).find("2 sampling passes"), std::string::npos);
  EXPECT_NE(all(p.unknown).find("guidance is not stated"), std::string::npos);
}

TEST(Comfy, CyclesEnd) {
  const PictureParameters p = read("prompt", R"({"1": {"inputs": {"sampler_name": "euler", "scheduler": "normal", "latent_image": ["2", 0], "model": ["1", 0], "positive": ["3", 0], "negative": ["3", 0]}},
    "2": {"inputs": {"samples": ["1", 0], "latent_image": ["2", 0]}}, "3": {"inputs": {"text": ["3", 0]}}})");
  EXPECT_EQ(p.request.prompt, "");
  EXPECT_NE(all(p.unknown).find("the model is not stated"), std::string::npos);
}

TEST(Comfy, BadGraphsAreClearErrors) {
  for (const std::string text : {"{", "{}", "{\"1\": 5}", "{\"1\": {\"inputs\": []}}", "{\"1\": {}, \"1\": {}}", "{\"1\": {\"inputs\": {\"latent_image\": [\"1\", 0]}}}"}) {
    try {
      read("prompt", text);
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::corrupt_file);
      EXPECT_NE(std::string(e.what()).find("'a.png': its ComfyUI graph"), std::string::npos) << e.what();
    }
  }
  std::string deep = "{\"1\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  EXPECT_THROW(read("prompt", deep), Error);
  EXPECT_THROW(read("prompt", "{\"1\":\"" + std::string(9 << 20, 'x') + "\"}"), Error);
}

TEST(Comfy, ALargeGraphTakesLittleTime) {
  Json nodes = Json::object();
  for (int i = 0; i < 4'900; ++i) {
    Json in = {{"latent_image", Json::array({std::to_string((i + 1) % 4'900), 0})}, {"sampler_name", "euler"}, {"images", Json::array({std::to_string(i / 2), 0})}};
    for (int k = 0; k < 20; ++k) in["model" + std::to_string(k)] = Json::array({std::to_string((i * 7 + k) % 4'900), 0});
    nodes[std::to_string(i)] = {{"inputs", in}};
  }
  const auto start = std::chrono::steady_clock::now();
  read("prompt", nodes.dump());
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 5);
}

TEST(Png, PlainCompressedAndInternationalTextIsRead) {
  const std::string key("parameters\0", 11);
  const std::string text = "caf\xe9\nSteps: 3";
  for (const std::string& png : {png_with(chunk("tEXt", key + text)), png_with(chunk("zTXt", key + '\0' + deflated(text))),
                                 png_with(chunk("iTXt", key + std::string("\0\0\0\0", 4) + "caf\xc3\xa9\nSteps: 3")), png_with("", chunk("tEXt", key + text))}) {
    PngText out;
    decode_png(png, "x", &out);
    const auto p = picture_parameters(out, "x");
    ASSERT_TRUE(p);
    EXPECT_EQ(p->request.prompt, "caf\xc3\xa9");
  }
}

TEST(Png, BombsAndCutFilesAreErrors) {
  const std::string key("parameters\0", 11);
  PngText out;
  const std::string bomb = png_with(chunk("zTXt", key + '\0' + deflated(std::string(70 << 20, 'a'))));
  EXPECT_THROW(decode_png(bomb, "bomb.png", &out), Error);
  const std::string whole = png_with(chunk("tEXt", key + kWebui));
  for (std::size_t size = 0; size < whole.find("IDAT"); size += 7) EXPECT_THROW(decode_png(std::string_view(whole).substr(0, size), "cut.png", &out), Error) << size;
}

}  // namespace
}  // namespace safelight
