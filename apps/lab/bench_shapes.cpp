#include "apps/lab/bench_shapes.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>

#include "common/base/error.h"
#include "engine/autoencoders/autoencoder_kl.h"
#include "engine/denoisers/flux_transformer.h"
#include "engine/denoisers/mmdit.h"
#include "engine/denoisers/unet.h"
#include "engine/text/clip_text_encoder.h"

namespace safelight::app {
namespace {

// Weights of a size that keeps activations near one, so that no number overflows or becomes denormal. A block of random numbers is repeated: what they are
// does not matter to the time.
void fill(const Parameters& parameters, const BenchShape& shape) {
  const at::Tensor random = at::rand({1 << 20}, at::kFloat) * 2 - 1;
  std::map<std::vector<int64_t>, at::Tensor> made;
  for (const Parameter& p : parameters.all()) {
    at::Tensor t;
    if (const auto same = made.find(p.shape); shape.share_weights && same != made.end()) {
      p.tensor.set_data(same->second);
      continue;
    }
    t = at::empty(p.shape, shape.dtype);
    if (p.init == Init::zeros || p.init == Init::ones) {
      t.fill_(p.init == Init::ones ? 1 : 0);
    } else {
      const double bound = p.init == Init::fan_in ? 1 / std::sqrt(static_cast<double>(std::max<int64_t>(t.numel() / std::max<int64_t>(t.size(0), 1), 1))) : 0.02;
      const at::Tensor block = (random * bound).to(shape.dtype), flat = t.view({-1});
      for (int64_t at = 0; at < flat.numel(); at += block.numel()) {
        const int64_t n = std::min(block.numel(), flat.numel() - at);
        flat.narrow(0, at, n).copy_(block.narrow(0, 0, n));
      }
    }
    t = t.to(shape.device);
    p.tensor.set_data(t);
    made[p.shape] = t;
  }
}

template <class Model, class Config>
struct Built {
  Built(const Config& config, const BenchShape& shape, BenchModel& into) : model(ParameterScope(parameters), config) {
    fill(parameters, shape);
    into.parameters += parameters.count();
    std::map<const void*, std::uint64_t> held;
    for (const Parameter& p : parameters.all()) held[p.tensor.data_ptr()] = p.tensor.nbytes();
    for (const auto& [at, bytes] : held) into.weight_bytes += bytes;
    if (shape.frozen && !shape.share_weights) parameters.freeze();   // what is shared cannot be given up
  }
  Parameters parameters;
  Model model;
};

template <class Model, class Config>
std::shared_ptr<const Built<Model, Config>> built(const Config& config, const BenchShape& shape, BenchModel& into) {
  return std::make_shared<const Built<Model, Config>>(config, shape, into);
}

at::Tensor noise(at::IntArrayRef sizes, const BenchShape& shape) { return at::randn(sizes, at::kFloat).to(shape.device, shape.dtype); }

at::Tensor same(at::IntArrayRef sizes, double value, const BenchShape& shape) { return at::full(sizes, value, at::TensorOptions(at::kFloat).device(shape.device)); }

void add_clip(BenchModel& m, const BenchShape& shape) {
  const auto text = built<ClipTextEncoder>(ClipTextConfig{}, shape, m);
  const at::Tensor ids = at::zeros({2, 77}, at::TensorOptions(at::kLong).device(shape.device));
  m.stages.push_back({"text", [text, ids] { text->model.forward(ids, {}, {}); }});
}

void add_decode(BenchModel& m, const BenchShape& shape, const AutoencoderKlConfig& config) {
  const auto vae = built<AutoencoderKl>(config, shape, m);
  const int64_t side = shape.size_px / config.downscale();
  const at::Tensor latents = noise({shape.batch, config.latent_channels, side, side}, shape);
  m.stages.push_back({"decode", [vae, latents] { vae->model.decode(latents, {}); }});
}

// A guided step: both halves in one batch.
BenchModel unet(const BenchShape& shape, const UnetConfig& config) {
  BenchModel m;
  add_clip(m, shape);
  const auto net = built<Unet>(config, shape, m);
  const int64_t rows = 2 * shape.batch, side = shape.size_px / 8;
  UnetInputs in{.sample = noise({rows, config.in_channels, side, side}, shape), .timesteps = same({rows}, 500, shape), .text = noise({rows, 77, config.cross_attention_dim}, shape)};
  if (config.text_time_embedding) {
    in.pooled_text = noise({rows, config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim}, shape);
    in.time_ids = same({rows, 6}, static_cast<double>(shape.size_px), shape);
  }
  m.stages.push_back({"step", [net, in] { net->model.forward(in, {}); }});
  add_decode(m, shape, {});
  return m;
}

BenchModel sd15(const BenchShape& shape) { return unet(shape, {}); }

BenchModel sdxl(const BenchShape& shape) {
  UnetConfig c;
  c.sample_size = 128;
  c.block_out_channels = {320, 640, 1280};
  c.down_attention = {false, true, true};
  c.up_attention = {true, true, false};
  c.heads = {5, 10, 20};
  c.transformer_layers = {1, 2, 10};
  c.only_cross_attention = {false, false, false};
  c.cross_attention_dim = 2048;
  c.use_linear_projection = true;
  c.text_time_embedding = true;
  c.addition_time_embed_dim = 256;
  c.projection_class_embeddings_input_dim = 2816;
  return unet(shape, c);
}

constexpr int64_t kT5Tokens = 333;   // 77 of CLIP and 256 of T5, as SD 3 joins them

BenchModel sd3(const BenchShape& shape) {
  BenchModel m;
  const MmditConfig config;
  const auto net = built<Mmdit>(config, shape, m);
  const int64_t rows = 2 * shape.batch, side = shape.size_px / 8;
  const at::Tensor x = noise({rows, config.in_channels, side, side}, shape), text = noise({rows, kT5Tokens, config.joint_attention_dim}, shape), pooled = noise({rows, config.pooled_projection_dim}, shape), timesteps = same({rows}, 500, shape);
  m.stages.push_back({"step", [=] { net->model.forward(x, timesteps, text, pooled, {}); }});
  AutoencoderKlConfig vae;
  vae.latent_channels = 16;
  vae.use_quant_conv = vae.use_post_quant_conv = false;
  add_decode(m, shape, vae);
  return m;
}

BenchModel flux(const BenchShape& shape) {
  BenchModel m;
  const FluxConfig config;
  const auto net = built<FluxTransformer>(config, shape, m);
  const int64_t side = shape.size_px / 16, tokens = 512;
  FluxInputs in{.sample = noise({shape.batch, side * side, config.in_channels}, shape), .timesteps = same({shape.batch}, 0.5, shape), .guidance = {},
                .text = noise({shape.batch, tokens, config.joint_attention_dim}, shape), .pooled = noise({shape.batch, config.pooled_projection_dim}, shape),
                .text_ids = at::zeros({tokens, 3}, at::kFloat), .image_ids = patch_ids(side, side)};
  m.stages.push_back({"step", [net, in] { net->model.forward(in, {}); }});
  AutoencoderKlConfig vae;
  vae.latent_channels = 16;
  vae.use_quant_conv = vae.use_post_quant_conv = false;
  add_decode(m, shape, vae);
  return m;
}

}  // namespace

const std::vector<BenchArchitecture>& bench_architectures() {
  static const std::vector<BenchArchitecture> table = {{"sd15", "Stable Diffusion 1.5: UNet of 860 million parameters", sd15},
                                                       {"sdxl", "Stable Diffusion XL base: UNet of 2.6 billion", sdxl},
                                                       {"sd3", "Stable Diffusion 3 medium: transformer of 2 billion", sd3},
                                                       {"flux", "FLUX.1: transformer of 12 billion", flux}};
  return table;
}

const BenchArchitecture& bench_architecture(const std::string& name) {
  std::string known;
  for (const BenchArchitecture& a : bench_architectures()) {
    if (name == a.name) return a;
    known += (known.empty() ? "" : ", ") + std::string(a.name);
  }
  throw Error(ErrorCode::invalid_argument, "the architecture '" + name + "' is unknown; known: " + known);
}

}  // namespace safelight::app
