// From scenes to tensors: pixels, masks, captions as token ids with the places of their nouns.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "engine/text/clip_tokenizer.h"
#include "engine/training/scenes/captions.h"
#include "engine/training/scenes/scene.h"

namespace safelight {

// A mask for every object, one for the sign, and one for each of its letters.
inline constexpr int kSignRow = kMaxObjects, kLetterRow = kSignRow + 1, kMaskRows = kLetterRow + kMaxLetters;
inline constexpr int kMaskSide = 16;
// Nouns of a caption that are kept.
inline constexpr int kMentions = 4;
// Tokens whose place in the picture is known: nouns and, where each is a token of its own, the letters of a sign.
inline constexpr int kPlacedTokens = kMentions + kMaxLetters;

// Scenes as pixels [N,3,H,W] float32 in [-1,1].
at::Tensor scene_pixels(const std::vector<Scene>& scenes, int image_px);

// Coverage of each object, of the sign and of its letters, [N,kMaskRows,kMaskSide,kMaskSide] uint8; zeros where there is none.
at::Tensor scene_masks(const std::vector<Scene>& scenes);

struct CaptionBatch {
  at::Tensor ids;       // int64 [B,T]
  at::Tensor ends;      // int64 [B], position of the end token
  at::Tensor placed;    // int64 [B,kPlacedTokens], position of each noun's last token, then of each letter's; 0 where there is none
  at::Tensor rows;      // float [B,kPlacedTokens,kMaskRows], 1 for the masks that such a token stands for
  std::vector<Caption> captions;
};

// One caption a scene, chosen by seed + index; `dropped` ones are empty.
CaptionBatch caption_batch(const std::vector<const Scene*>& scenes, const std::vector<bool>& dropped, uint64_t seed,
                           const ClipTokenizer& tokenizer, int64_t length);

}  // namespace safelight
