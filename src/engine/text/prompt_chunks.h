// Weighted and long prompts as chunks of a text encoder's own length.
#pragma once

#include "engine/text/clip_tokenizer.h"
#include "engine/text/prompt_weights.h"

namespace safelight {

struct ChunkLimits {
  int length = 77;     // of one chunk, with its begin and end
  int at_least = 1;    // chunks; missing ones are empty
  int at_most = 1;     // what does not fit is truncated
};

// Words are kept whole where they fit in a chunk of their own and are short; those that are cut are listed.
TokenizedPrompt chunked(const ClipTokenizer& tokenizer, const std::vector<WeightedText>& parts, const ChunkLimits& limits);

}  // namespace safelight
