#include "bridge/read_words.h"

#include <ATen/ATen.h>

#include "engine/schedulers/convert.h"
#include "engine/schedulers/solver.h"

namespace safelight {
namespace {

// Noise levels as shares of a schedule of kSteps: where things stand and what they are is decided in the first half (arXiv:2303.16203, figure 3).
constexpr int kSteps = 10, kLevels[] = {3, 4, 5, 6}, kDraws = 2;
constexpr std::uint64_t kSeed = 0x4EAD;

// Every text encoder's account with padding in place of the given words. Encoders that split the prompt into other words keep them: the first one's count.
std::vector<TokenizedPrompt> without(std::vector<TokenizedPrompt> accounts, std::size_t from, std::size_t to, std::int64_t first_padding) {
  const std::size_t words = words_of(accounts.front()).size();
  for (std::size_t k = 0; k < accounts.size(); ++k) {
    const std::vector<TokenWord> own = words_of(accounts[k]);
    if (own.size() != words) continue;
    const std::int64_t padding = k == 0 ? first_padding : accounts[k].ids.back();
    for (std::size_t w = from; w < to; ++w)
      for (int i = 0; i < own[w].tokens; ++i) accounts[k].ids[static_cast<std::size_t>(own[w].token + i)] = padding;
  }
  return accounts;
}

// One row per variant of the prompt.
Conditioning conditioning_of(const Components& c, const GenerateRequest& r, const std::vector<std::vector<TokenizedPrompt>>& variants) {
  std::vector<at::Tensor> text, pooled;
  for (const auto& accounts : variants) {
    const EncodedPrompt e = c.prompt->encode(accounts, {.clip_skip = r.clip_skip});
    text.push_back(e.text);
    if (e.pooled.defined()) pooled.push_back(e.pooled);
  }
  Conditioning out;
  out.text = at::cat(text, 0);
  if (!pooled.empty()) out.pooled = at::cat(pooled, 0);
  const auto rows = static_cast<int64_t>(variants.size());
  if (c.denoiser->guidance() == GuidanceKind::embedded) out.guidance = at::full({rows}, r.guidance.value_or(1.0), at::kFloat);
  out.sizes.assign(variants.size(), {.original_height = r.height, .original_width = r.width, .target_height = r.height, .target_width = r.width});
  return out;
}

// Mean square of the error of the estimate at one noise level, of each row; relative to the latent's own variance.
at::Tensor errors_at(const Components& c, const SolverEntry& entry, SolverInputs in, int level, const at::Tensor& z, const Conditioning& text, TorchNoise& noise) {
  const Converter converter(in.config);
  const int64_t rows = text.text.size(0);
  at::Tensor sum = at::zeros({rows}, at::kDouble);
  in.first = level * entry.stages;
  in.start = z.unsqueeze(0);
  for (int draw = 0; draw < kDraws; ++draw) {
    in.noise = noise.draw(in.start.sizes());
    const auto at_level = make_solver(in)->next();
    const at::Tensor x = at_level->model_input.expand({rows, -1, -1, -1}).contiguous();
    const at::Tensor raw = c.denoiser->predict(x, at::full({rows}, at_level->node.timestep, at::kFloat), text, {});
    const at::Tensor x0 = converter.estimate(raw, x, at_level->node).x0;
    sum += (x0 - z.unsqueeze(0)).square().mean({1, 2, 3}).to(at::kDouble) / z.var().item<double>();
  }
  return sum / kDraws;
}

}  // namespace

std::optional<Reading> read_words(const Components& c, const GenerateRequest& request, const at::Tensor& z) {
  if (c.denoiser->beside() != Beside::nothing) return {};
  at::NoGradGuard no_grad;
  const PromptTexts texts{request.prompt, request.prompt_2, request.prompt_3, request.long_prompt == "chunks"};
  const auto whole = c.prompt->tokenise(texts, request.max_text_tokens);
  const std::vector<TokenWord> words = words_of(whole.front());
  if (words.empty()) return {};
  std::vector<std::vector<TokenizedPrompt>> variants = {whole};
  const std::int64_t padding = c.prompt->tokenizer().pad_id();
  for (std::size_t w = 0; w < words.size(); ++w) variants.push_back(without(whole, w, w + 1, padding));
  variants.push_back(without(whole, 0, words.size(), padding));
  const Conditioning text = conditioning_of(c, request, variants);
  const SolverEntry& entry = solver_named(request.scheduler.solver);
  SolverInputs in;
  in.config = config_for(entry, c.scheduler_config, c.scheduler_where);
  in.steps = kSteps;
  in.custom = c.denoiser->own_steps(kSteps, z.size(1), z.size(2));
  TorchNoise noise(kSeed, 1);
  in.source = &noise;
  Reading out;
  at::Tensor help = at::zeros({static_cast<int64_t>(variants.size())}, at::kDouble);
  for (const int level : kLevels) {
    const at::Tensor e = errors_at(c, entry, in, level, z, text, noise);
    out.error.push_back(e[0].item<double>());
    help += (e / e[0] - 1) / static_cast<double>(std::size(kLevels));
  }
  for (std::size_t w = 0; w < words.size(); ++w)
    out.words.push_back({.word = words[w].text, .token = words[w].token, .tokens = words[w].tokens, .help = help[static_cast<int64_t>(w) + 1].item<double>()});
  out.whole = help[help.size(0) - 1].item<double>();
  return out;
}

}  // namespace safelight
