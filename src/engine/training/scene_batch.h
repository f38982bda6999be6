// From scenes to tensors: pixels, masks, captions as token ids with the places of their nouns.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "engine/text/clip_tokenizer.h"
#include "engine/training/scenes/captions.h"
#include "engine/training/scenes/scene.h"

namespace safelight {

// A mask for every object and, last, one for the sign.
inline constexpr int kMaskRows = kMaxObjects + 1;
inline constexpr int kMaskSide = 16;
// Nouns of a caption that are kept.
inline constexpr int kMentions = 4;

// Scenes as pixels [N,3,H,W] float32 in [-1,1].
at::Tensor scene_pixels(const std::vector<Scene>& scenes, int image_px);

// Coverage of each object and of the sign, [N,kMaskRows,kMaskSide,kMaskSide] uint8; zeros where there is none.
at::Tensor scene_masks(const std::vector<Scene>& scenes);

struct CaptionBatch {
  at::Tensor ids;       // int64 [B,T]
  at::Tensor ends;      // int64 [B], position of the end token
  at::Tensor nouns;     // int64 [B,kMentions], position of each noun's last token; 0 where there is none
  at::Tensor rows;      // float [B,kMentions,kMaskRows], 1 for the masks that a noun stands for
  std::vector<Caption> captions;
};

// One caption a scene, chosen by seed + index; `dropped` ones are empty.
CaptionBatch caption_batch(const std::vector<const Scene*>& scenes, const std::vector<bool>& dropped, uint64_t seed,
                           const ClipTokenizer& tokenizer, int64_t length);

}  // namespace safelight
