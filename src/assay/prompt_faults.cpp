// What goes wrong between the words that were written and the tokens that reach the text encoder.
#include <algorithm>
#include <iterator>
#include <sstream>

#include "assay/decorators.h"

namespace safelight {
namespace {

// A tokenizer's own account is kept as it was where the fault is silent; then nothing but the picture and the attention shows it.
const Truth kTokens = {.subsystem = "prompt", .also = {"text-encoder"}, .trigger = "prompt"};

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

void tokens_lost(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.tokens = [share = s.dose](const Tokenizer& tokenizer, TokenizedPrompt& t) {
    if (t.content == 0) return;
    const auto kept = static_cast<std::ptrdiff_t>(static_cast<double>(t.content) * (1 - share));
    t.ids[static_cast<std::size_t>(kept) + 1] = tokenizer.eos_id();
    const auto end = std::min<std::ptrdiff_t>(t.content + 2, std::ssize(t.ids));
    for (std::ptrdiff_t k = kept + 2; k < end; ++k) t.ids[static_cast<std::size_t>(k)] = tokenizer.pad_id();
  }});
}

void tokens_shuffled(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.tokens = [share = s.dose, seed = s.seed](const Tokenizer&, TokenizedPrompt& t) {
    SceneRandom random(seed, 1);
    const std::vector<std::int64_t> ids = t.ids;
    const std::vector<int64_t> from = shuffled(t.content, share, random);
    for (std::size_t k = 0; k < from.size(); ++k) t.ids[k + 1] = ids[static_cast<std::size_t>(from[k]) + 1];
  }});
}

void tokens_replaced(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.tokens = [share = s.dose, seed = s.seed](const Tokenizer&, TokenizedPrompt& t) {
    SceneRandom random(seed, 1);
    if (t.content == 0) return;
    const auto known = static_cast<int>(*std::max_element(t.ids.begin() + 1, t.ids.begin() + 1 + t.content)) + 1;
    for (std::int64_t k = 1; k <= t.content; ++k)
      if (k == 1 || random.chance(share)) t.ids[static_cast<std::size_t>(k)] = random.below(known);
  }});
}

void tokens_repeated(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.tokens = [share = s.dose, seed = s.seed](const Tokenizer&, TokenizedPrompt& t) {
    SceneRandom random(seed, 1);
    for (std::int64_t k = 2; k <= t.content; ++k)
      if (k == 2 || random.chance(share)) t.ids[static_cast<std::size_t>(k)] = t.ids[static_cast<std::size_t>(k) - 1];
  }});
}

void wrong_padding(const FaultSite& s, Injection& i) {
  damage_prompt(i, {.tokens = [share = s.dose, seed = s.seed](const Tokenizer& tokenizer, TokenizedPrompt& t) {
    SceneRandom random(seed, 1);
    const std::int64_t other = tokenizer.pad_id() == 0 ? tokenizer.eos_id() : 0;  // the two habits of the field
    const auto from = static_cast<std::size_t>(t.content) + 2;
    for (std::size_t k = from; k < t.ids.size(); ++k)
      if (k == from || random.chance(share)) t.ids[k] = other;
  }});
}

void too_long(const FaultSite& s, Injection& i) {
  const std::vector<std::string> words = words_of(i.request.prompt);
  const auto filler = static_cast<std::size_t>(s.dose * s.healthy.max_text_tokens);
  i.request.prompt = joined(std::vector<std::string>(filler, words.empty() ? "a" : words.front())) + " " + i.request.prompt;
}

// The longest words, which carry most meaning, become words that no language has.
void unknown_words(const FaultSite& s, Injection& i) {
  constexpr const char* kInvented[] = {"blorptine", "quazzlefen", "vrimsock", "glimmerwort"};
  std::vector<std::string> words = words_of(i.request.prompt);
  std::vector<std::size_t> order(words.size());
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return words[a].size() > words[b].size(); });
  for (std::size_t k = 0; k < order.size() && k < static_cast<std::size_t>(s.dose); ++k) words[order[k]] = kInvented[k];
  i.request.prompt = joined(words);
}

void negative_repeats(const FaultSite&, Injection& i) { i.request.negative = i.request.prompt; }

}  // namespace

std::vector<FaultEntry> prompt_faults() {
  return {
      {"tokens-lost", "the tokenizer drops the end of the prompt and does not say so", kTokens, {0.3, 0.6, 0.9}, "share of the tokens", false, tokens_lost},
      {"tokens-shuffled", "tokens reach the text encoder in another order", kTokens, {0.3, 0.6, 1}, "share of the tokens", false, tokens_shuffled},
      {"tokens-replaced", "tokens are mistaken for others of the vocabulary", kTokens, {0.1, 0.4, 0.8}, "share of the tokens", false, tokens_replaced},
      {"tokens-repeated", "tokens are repeated in place of those that follow", kTokens, {0.1, 0.4, 0.8}, "share of the tokens", true, tokens_repeated},
      {"wrong-padding", "the places behind the prompt hold another token than in training", kTokens, {0.2, 0.6, 1}, "share of the padding", false, wrong_padding},
      {"prompt-too-long", "so many words come first that the subject is cut off",
       {.subsystem = "prompt", .also = {}, .trigger = "prompt", .causes = {"truncated"}}, {1, 1.25, 1.5}, "of the encoder's length", false, too_long},
      {"unknown-words", "the words that matter most are not in any vocabulary",
       {.subsystem = "prompt", .also = {"text-encoder"}, .trigger = "prompt", .causes = {"unknown-words"}}, {1, 2, 3}, "words", false, unknown_words},
      {"negative-repeats-prompt", "the negative prompt says the same as the prompt",
       {.subsystem = "prompt", .also = {"guidance"}, .trigger = "prompt"}, {1}, "on", false, negative_repeats},
  };
}

}  // namespace safelight
