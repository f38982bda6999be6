#include "engine/training/checker/scene_structure.h"

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

constexpr double kCleanShape = 0.84;   // overlap below which an outline is ragged; drawn ones have 0.89 at least
constexpr double kJudged_px = 8;       // smaller radii are too coarse to tell
constexpr double kNeck = 0.2;          // of an object's smaller extent: what is thinner joins two objects

std::string at_place(const Seen& s) {
  const int column = static_cast<int>(s.x * 3), row = static_cast<int>(s.y * 3);
  constexpr const char* kRows[] = {"top", "middle", "bottom"};
  constexpr const char* kColumns[] = {"left", "centre", "right"};
  return std::string(" at the ") + kRows[std::clamp(row, 0, 2)] + " " + kColumns[std::clamp(column, 0, 2)];
}

// The mask without all cells that are nearer than `depth` to a cell outside it.
std::vector<std::uint8_t> eroded(std::vector<std::uint8_t> mask, int side, int depth) {
  for (int pass = 0; pass < depth; ++pass) {
    const std::vector<std::uint8_t> before = mask;
    for (int y = 0; y < side; ++y)
      for (int x = 0; x < side; ++x) {
        const auto in = [&](int u, int v) { return u >= 0 && v >= 0 && u < side && v < side && before[static_cast<std::size_t>(v * side + u)]; };
        mask[static_cast<std::size_t>(y * side + x)] = in(x, y) && in(x - 1, y) && in(x + 1, y) && in(x, y - 1) && in(x, y + 1);
      }
  }
  return mask;
}

int parts(std::vector<std::uint8_t> mask, int side) {
  int count = 0;
  std::vector<int> stack;
  for (int start = 0; start < side * side; ++start) {
    if (!mask[static_cast<std::size_t>(start)]) continue;
    ++count;
    stack.push_back(start);
    while (!stack.empty()) {
      const int at = stack.back();
      stack.pop_back();
      if (!mask[static_cast<std::size_t>(at)]) continue;
      mask[static_cast<std::size_t>(at)] = 0;
      const int x = at % side;
      for (const int next : {x > 0 ? at - 1 : -1, x + 1 < side ? at + 1 : -1, at - side, at + side})
        if (next >= 0 && next < side * side && mask[static_cast<std::size_t>(next)]) stack.push_back(next);
    }
  }
  return count;
}

// Two or more thick parts that hang together by a thin one. A broken ring would look like that, too.
bool merged(const SeenObject& o, int side) {
  if (o.nearest == Shape::ring) return false;
  const double extent = std::min(o.right - o.left, o.bottom - o.top);
  return parts(eroded(o.mask, side, std::max(1, static_cast<int>(std::lround(kNeck * extent * side)))), side) > 1;
}

}  // namespace

std::vector<std::string> structural_problems(const SeenScene& scene) {
  std::vector<std::string> out;
  for (const SeenObject& o : scene.objects) {
    const std::string what = std::string(name(o.colour)) + " object" + at_place(o);
    if (!o.shape) out.push_back(what + (merged(o, scene.side) ? " is several run into one" : " has no clear shape"));
    else if (o.shape_score < kCleanShape && o.radius * scene.side >= kJudged_px) out.push_back(what + " is a ragged " + name(*o.shape));
    const double edge = 0.5 / scene.side;
    if (o.left < edge || o.top < edge || o.right > 1 - edge || o.bottom > 1 - edge) out.push_back(what + " is cut off by the border");
  }
  for (const SeenSign& s : scene.signs)
    if (s.text.empty()) out.push_back(std::string(name(s.colour)) + " sign" + at_place(s) + " has no letters");
    else if (s.text.find('?') != std::string::npos) out.push_back(std::string(name(s.colour)) + " sign" + at_place(s) + " has letters that are none");
  if (scene.specks > 0) out.push_back(std::to_string(scene.specks) + " speck(s) of colour");
  if (!scene.tone) out.push_back("the background is no plain or patterned gray");
  return out;
}

std::vector<std::string> structural_problems(const std::uint8_t* rgb, int side) { return structural_problems(see(rgb, side)); }

}  // namespace safelight
