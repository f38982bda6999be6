#include "engine/serving/step_batcher.h"

#include <ATen/ATen.h>

#include "engine/serving/denoise_call.h"

namespace safelight {
namespace {

// The parts of a model as one served run sees them: every call waits for its turn.
template <class F>
auto by_itself(Turns::Run& turn, F&& work) {
  decltype(work()) out;
  ModelCall call{.compute = [&] { out = work(); }, .denoise = nullptr, .error = {}};
  turn.compute(call);
  return out;
}

class ServedPrompt final : public PromptEncoderDecorator {
 public:
  ServedPrompt(std::shared_ptr<const PromptEncoder> inner, Turns::Run& turn) : PromptEncoderDecorator(std::move(inner)), turn_(turn) {}
  std::vector<TokenizedPrompt> tokenise(const PromptTexts& texts, int max_tokens) const override {
    turn_.begin();   // the first thing that a run asks of its model
    return inner().tokenise(texts, max_tokens);
  }
  EncodedPrompt encode(const std::vector<TokenizedPrompt>& tokens, const EncodeOptions& options) const override {
    return by_itself(turn_, [&] { return inner().encode(tokens, options); });
  }

 private:
  Turns::Run& turn_;
};

class ServedDenoiser final : public DenoiserDecorator {
 public:
  ServedDenoiser(std::shared_ptr<const Denoiser> inner, Turns::Run& turn, bool shares) : DenoiserDecorator(std::move(inner)), turn_(turn), shares_(shares) {}
  at::Tensor predict(const at::Tensor& x, const at::Tensor& timesteps, const Conditioning& conditioning, const ForwardHooks& hooks) const override {
    DenoiseCall own{.denoiser = inner(), .x = x, .timesteps = timesteps, .conditioning = conditioning, .hooks = hooks, .shares = shares_, .out = {}, .error = {}};
    ModelCall call{.compute = [&] { compute(own); }, .denoise = &own, .error = {}};
    turn_.compute(call);
    return own.out;
  }

 private:
  Turns::Run& turn_;
  bool shares_;
};

class ServedAutoencoder final : public AutoencoderDecorator {
 public:
  ServedAutoencoder(std::shared_ptr<const Autoencoder> inner, Turns::Run& turn) : AutoencoderDecorator(std::move(inner)), turn_(turn) {}
  at::Tensor decode(const at::Tensor& latents, const ForwardHooks& hooks) const override {
    return by_itself(turn_, [&] { return inner().decode(latents, hooks); });
  }
  at::Tensor encode(const at::Tensor& pixels, const at::Tensor& eps, const ForwardHooks& hooks) const override {
    return by_itself(turn_, [&] { return inner().encode(pixels, eps, hooks); });
  }

 private:
  Turns::Run& turn_;
};

}  // namespace

GenerateResult StepBatcher::run(const Components& components, const GenerateRequest& request, RunOptions options, const ServeOptions& how) {
  Turns::Run turn(turns_, how.priority, options.cancelled);
  Components served = components;
  served.prompt = std::make_shared<ServedPrompt>(components.prompt, turn);
  served.denoiser = std::make_shared<ServedDenoiser>(components.denoiser, turn, how.mode == ServeMode::fast);
  served.autoencoder = std::make_shared<ServedAutoencoder>(components.autoencoder, turn);
  if (options.other_decoder) options.other_decoder = std::make_shared<ServedAutoencoder>(options.other_decoder, turn);
  return safelight::run(served, request, std::move(options));
}

}  // namespace safelight
