#include "assay/decorators.h"

#include <ATen/ATen.h>

#include "common/base/error.h"
#include "engine/schedulers/noise.h"

namespace safelight {
namespace {

class FaultyPrompt final : public PromptEncoderDecorator {
 public:
  FaultyPrompt(std::shared_ptr<const PromptEncoder> inner, PromptFault fault) : PromptEncoderDecorator(std::move(inner)), fault_(std::move(fault)) {}
  std::vector<TokenizedPrompt> tokenise(const PromptTexts& texts, int max_tokens) const override {
    std::vector<TokenizedPrompt> out = inner().tokenise(texts, max_tokens);
    if (fault_.tokens)
      for (TokenizedPrompt& t : out) fault_.tokens(tokenizer(), t);
    return out;
  }
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& asked) const override {
    EncodeOptions options = asked;
    if (fault_.options) fault_.options(options);
    EncodedPrompt out = inner().encode(tokens, options);
    if (fault_.encoded) fault_.encoded(out);
    return out;
  }

 private:
  PromptFault fault_;
};

// The fault comes after what the run itself changes, and before what probes see.
class FaultyPass final : public ForwardEdit {
 public:
  FaultyPass(ForwardEdit* own, const DenoiserFault& fault) : own_(own), fault_(fault) {}
  void edit_attention(AttentionCall& call) override {
    if (own_) own_->edit_attention(call);
    if (fault_.attention) fault_.attention(call);
  }
  at::Tensor edit_block(std::string_view module, at::Tensor x) override {
    if (own_) x = own_->edit_block(module, std::move(x));
    return fault_.block ? fault_.block(module, std::move(x)) : x;
  }

 private:
  ForwardEdit* own_;
  const DenoiserFault& fault_;
};

class FaultyDenoiser final : public DenoiserDecorator {
 public:
  FaultyDenoiser(std::shared_ptr<const Denoiser> inner, DenoiserFault fault) : DenoiserDecorator(std::move(inner)), fault_(std::move(fault)) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& conditioning, const ForwardHooks& hooks) const override {
    if (timesteps.max().item<double>() > fault_.from_timestep) return inner().predict(x, timesteps, conditioning, hooks);
    DenoiserInputs in{x, timesteps, conditioning};
    if (fault_.inputs) fault_.inputs(in);
    FaultyPass pass(hooks.edit, fault_);
    const bool inside = fault_.attention || fault_.block;
    ForwardHooks faulty = hooks;
    faulty.edit = &pass;
    const at::Tensor out = inner().predict(in.x, in.timesteps, in.conditioning, inside ? faulty : hooks);
    return fault_.output ? fault_.output(in, out) : out;
  }
  CustomSteps own_steps(int steps, int64_t height, int64_t width) const override {
    return fault_.steps ? fault_.steps(steps) : DenoiserDecorator::own_steps(steps, height, width);
  }

 private:
  DenoiserFault fault_;
};

class FaultyDecoder final : public AutoencoderDecorator {
 public:
  FaultyDecoder(std::shared_ptr<const Autoencoder> inner, DecoderFault fault) : AutoencoderDecorator(std::move(inner)), fault_(std::move(fault)) {}
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override {
    const at::Tensor pixels = inner().decode(fault_.latents ? fault_.latents(latents) : latents, hooks);
    return fault_.pixels ? fault_.pixels(pixels) : pixels;
  }

 private:
  DecoderFault fault_;
};

}  // namespace

void damage_prompt(Injection& injection, PromptFault fault) {
  injection.damage = [fault = std::move(fault)](Components c) {
    c.prompt = std::make_shared<FaultyPrompt>(std::move(c.prompt), fault);
    return c;
  };
}

void damage_denoiser(Injection& injection, DenoiserFault fault) {
  injection.truth.from_timestep = fault.from_timestep;
  injection.damage = [fault = std::move(fault)](Components c) {
    c.denoiser = std::make_shared<FaultyDenoiser>(std::move(c.denoiser), fault);
    return c;
  };
}

void damage_decoder(Injection& injection, DecoderFault fault) {
  injection.damage = [fault = std::move(fault)](Components c) {
    c.autoencoder = std::make_shared<FaultyDecoder>(std::move(c.autoencoder), fault);
    return c;
  };
}

void damage_scheduler(Injection& injection, std::function<void(Json&)> change) {
  injection.damage = [change = std::move(change)](Components c) {
    change(c.scheduler_config);
    return c;
  };
}

at::Tensor fault_noise(at::IntArrayRef shape, std::uint64_t seed) {
  int64_t count = 1;
  for (const int64_t side : shape) count *= side;
  return TorchNoise(seed, 1).draw({1, count}).view(shape);
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

std::vector<int64_t> shuffled(int64_t n, double share, SceneRandom& random) {
  std::vector<int64_t> out(static_cast<std::size_t>(n)), moving;
  for (int64_t i = 0; i < n; ++i) {
    out[static_cast<std::size_t>(i)] = i;
    if (random.chance(share)) moving.push_back(i);
  }
  if (moving.size() < 2 && n > 1) moving = {0, n - 1};
  // Places that move do so in a ring of random order, so that none of them stays.
  for (std::size_t i = moving.size(); i > 1; --i) std::swap(moving[i - 1], moving[static_cast<std::size_t>(random.below(static_cast<int>(i)))]);
  for (std::size_t i = 0; i < moving.size(); ++i) out[static_cast<std::size_t>(moving[i])] = moving[(i + 1) % moving.size()];
  return out;
}

int train_timesteps(const Components& components) { return components.scheduler_config.value("num_train_timesteps", 1000); }

double drawn_onset(const FaultSite& site) {
  const int fifths = site.random.below(4);
  return fifths == 0 ? kEveryTimestep : train_timesteps(site.healthy) * (1 - 0.2 * fifths);
}

std::string drawn_block(const FaultSite& site) {
  const std::vector<std::string> names = site.healthy.denoiser->block_names();
  if (names.empty()) throw Error(ErrorCode::unsupported, "the denoiser of '" + site.healthy.name + "' names no blocks");
  return names[static_cast<std::size_t>(site.random.below(static_cast<int>(names.size())))];
}

}  // namespace safelight
