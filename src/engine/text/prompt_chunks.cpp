#include "engine/text/prompt_chunks.h"

#include <algorithm>

namespace safelight {
namespace {

constexpr std::size_t kLongestWhole = 8;  // tokens of a word that moves to the next chunk rather than being cut

struct Weighted {
  TokenSpan token;
  float weight = 1;
};

// Tokens from `begin` on that belong to one word.
std::size_t word_end(const std::vector<Weighted>& all, std::size_t begin) {
  std::size_t end = begin;
  while (end + 1 < all.size() && !all[end].token.ends_word) ++end;
  return std::min(end + 1, all.size());
}

// `spans_padding`: another chunk follows, so that positions in `tokens` stay those in the encoded text.
void close(TokenizedPrompt& out, const std::vector<Weighted>& chunk, const ClipTokenizer& tokenizer, std::size_t length, bool spans_padding) {
  const auto put = [&](const TokenSpan& t, float weight) {
    out.tokens.push_back(t);
    out.ids.push_back(t.id);
    out.weights.push_back(weight);
  };
  const std::size_t begin = out.ids.size();
  put({tokenizer.bos_id(), "<|startoftext|>", true}, 1);
  for (const Weighted& w : chunk) put(w.token, w.weight);
  put({tokenizer.eos_id(), "<|endoftext|>", true}, 1);
  out.content += static_cast<std::int64_t>(chunk.size());
  if (spans_padding) out.tokens.resize(begin + length, {tokenizer.pad_id(), "", true});
  out.ids.resize(begin + length, tokenizer.pad_id());
  out.weights.resize(begin + length, 1.0F);
}

}  // namespace

TokenizedPrompt chunked(const ClipTokenizer& tokenizer, const std::vector<WeightedText>& parts, const ChunkLimits& limits) {
  TokenizedPrompt out;
  std::vector<Weighted> all;
  for (const WeightedText& part : parts)
    for (TokenSpan& token : tokenizer.content(part.text, out.unknown_words)) all.push_back({std::move(token), static_cast<float>(part.weight)});
  const auto length = static_cast<std::size_t>(limits.length), room = length - 2;
  std::vector<std::vector<Weighted>> chunks(1);
  for (std::size_t i = 0; i < all.size();) {
    const std::size_t end = word_end(all, i), size = end - i, left = room - chunks.back().size();
    if (size > left && size <= std::min(kLongestWhole, room) && !chunks.back().empty()) {
      chunks.emplace_back();
      continue;
    }
    const std::size_t taken = std::min(size, left);
    if (taken < size && taken > 0) out.split_words.push_back(all[i].token.text);
    for (std::size_t k = i; k < i + taken; ++k) chunks.back().push_back(all[k]);
    i += taken;
    if (chunks.back().size() == room && i < all.size()) chunks.emplace_back();
  }
  const auto most = static_cast<std::size_t>(limits.at_most);
  for (std::size_t c = most; c < chunks.size(); ++c)
    for (const Weighted& w : chunks[c]) out.truncated.push_back(w.token);
  chunks.resize(std::clamp(chunks.size(), static_cast<std::size_t>(limits.at_least), std::max(most, static_cast<std::size_t>(limits.at_least))));
  for (const auto& chunk : chunks) close(out, chunk, tokenizer, length, &chunk != &chunks.back());
  out.chunks = static_cast<int>(chunks.size());
  if (std::all_of(out.weights.begin(), out.weights.end(), [](float w) { return w == 1; })) out.weights.clear();
  return out;
}

}  // namespace safelight
