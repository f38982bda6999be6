// Words for scenes, in many orders and from a closed list.
#pragma once

#include <string>
#include <vector>

#include "engine/training/scenes/scene.h"

namespace safelight {

// A noun of a caption and what it stands for: with the masks of these objects, the truth for its attention map.
struct Mention {
  std::size_t begin = 0, end = 0;   // bytes of the noun in Caption::text
  std::vector<int> objects;         // indices into Scene::objects
  bool sign = false;
};

struct Caption {
  std::string text;
  std::vector<Mention> mentions;
  std::vector<std::size_t> letters;   // where each letter of the sign's text ends, in bytes of `text`
};

// True of the scene, chosen among many wordings by `seed`. Says the background in about half of the cases, a colour nearly
// always, a size in about a third; a place, a relation or neither. What a sign says is always told, in quotes.
Caption caption(const Scene& scene, std::uint64_t seed);

// Every word (and punctuation mark) that captions may use outside quotes, in a fixed order.
std::vector<std::string> scene_vocabulary(const SceneOptions& options);

std::string plural(Shape shape);
// "two" .. "four"
const char* number_word(int n);

}  // namespace safelight
