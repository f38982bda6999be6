#include "engine/training/scene_batch.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "engine/training/scenes/scene_render.h"

namespace safelight {

at::Tensor scene_pixels(const std::vector<Scene>& scenes, int image_px) {
  const int64_t n = static_cast<int64_t>(scenes.size()), side = image_px;
  at::Tensor bytes = at::empty({n, side, side, 3}, at::kByte);
  std::uint8_t* out = bytes.data_ptr<std::uint8_t>();
  at::parallel_for(0, n, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) render_scene(scenes[static_cast<std::size_t>(i)], image_px, out + i * side * side * 3);
  });
  return bytes.permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1).contiguous();
}

at::Tensor scene_masks(const std::vector<Scene>& scenes) {
  const auto n = static_cast<int64_t>(scenes.size());
  at::Tensor masks = at::zeros({n, kMaskRows, kMaskSide, kMaskSide}, at::kByte);
  std::uint8_t* out = masks.data_ptr<std::uint8_t>();
  constexpr std::size_t kCells = kMaskSide * kMaskSide;
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    std::uint8_t* rows = out + i * kMaskRows * kCells;
    for (std::size_t k = 0; k < scenes[i].objects.size(); ++k) {
      const auto mask = object_mask(scenes[i].objects[k], kMaskSide);
      std::copy(mask.begin(), mask.end(), rows + k * kCells);
    }
    if (!scenes[i].sign) continue;
    const auto mask = sign_mask(*scenes[i].sign, kMaskSide);
    std::copy(mask.begin(), mask.end(), rows + kSignRow * kCells);
    const auto letters = letter_masks(*scenes[i].sign, kMaskSide);
    for (std::size_t k = 0; k < letters.size() && k < kMaxLetters; ++k) std::copy(letters[k].begin(), letters[k].end(), rows + (kLetterRow + k) * kCells);
  }
  return masks;
}

CaptionBatch caption_batch(const std::vector<const Scene*>& scenes, const std::vector<bool>& dropped, uint64_t seed,
                           const ClipTokenizer& tokenizer, int64_t length) {
  const auto batch = static_cast<int64_t>(scenes.size());
  CaptionBatch out;
  std::vector<int64_t> ids, ends;
  out.placed = at::zeros({batch, kPlacedTokens}, at::kLong);
  out.rows = at::zeros({batch, kPlacedTokens, kMaskRows});
  auto placed = out.placed.accessor<int64_t, 2>();
  auto rows = out.rows.accessor<float, 3>();
  const auto tokens = [&](const std::string& text) { return tokenizer.encode(text, static_cast<int>(length)); };
  for (int64_t i = 0; i < batch; ++i) {
    const auto at = static_cast<std::size_t>(i);
    out.captions.push_back(dropped[at] ? Caption{} : caption(*scenes[at], seed + static_cast<uint64_t>(i)));
    const Caption& c = out.captions.back();
    const TokenizedPrompt prompt = tokens(c.text);
    ids.insert(ids.end(), prompt.ids.begin(), prompt.ids.end());
    ends.push_back(prompt.content + 1);
    for (std::size_t m = 0; m < c.mentions.size() && m < kMentions; ++m) {
      const int64_t place = tokens(c.text.substr(0, c.mentions[m].end)).content;  // the begin token is position 0
      if (place > prompt.content) continue;                                       // cut off
      placed[i][static_cast<int64_t>(m)] = place;
      for (const int object : c.mentions[m].objects) rows[i][static_cast<int64_t>(m)][object] = 1;
      if (c.mentions[m].sign) rows[i][static_cast<int64_t>(m)][kSignRow] = 1;
    }
    if (c.letters.empty()) continue;
    const int64_t before = tokens(c.text.substr(0, c.letters[0] - 1)).content;   // up to the opening mark
    for (std::size_t k = 0; k < c.letters.size() && k < kMaxLetters; ++k) {
      const auto place = static_cast<std::size_t>(before) + 1 + k;
      if (static_cast<int64_t>(place) > prompt.content || prompt.tokens[place].text.size() != 1) break;   // several letters are one token
      placed[i][kMentions + static_cast<int64_t>(k)] = static_cast<int64_t>(place);
      rows[i][kMentions + static_cast<int64_t>(k)][static_cast<int64_t>(kLetterRow + k)] = 1;
    }
  }
  out.ids = at::tensor(ids, at::kLong).view({batch, length});
  out.ends = at::tensor(ends, at::kLong);
  return out;
}

}  // namespace safelight
