#include "engine/training/checker/scene_vision.h"

#include <algorithm>

#include "engine/training/checker/region_area.h"
#include "engine/training/checker/scene_ground.h"
#include "engine/training/checker/sign_reader.h"

namespace safelight {
namespace {

constexpr double kLeastObject = 0.003;   // of the picture; the smallest objects have three times as much, less are specks
// Overlap from which a shape is one, and by how much it must beat the next: little if it fits well, much if it does not, as a ring
// of another thickness does not.
constexpr double kGoodFit = 0.80, kGoodMargin = 0.015, kPoorFit = 0.55, kPoorMargin = 0.22;
constexpr double kBoardOutline = 0.75;   // share of a box's sides that a board's outline follows
constexpr double kBoardHeight = 0.16;    // the least, of the side
constexpr double kBoardAspect = 1.4;     // a rectangle so long is a board even without letters
constexpr double kInkShare = 0.03;       // of a board's box
constexpr float kDarkInk = 16, kLightInk = 244;

class Viewer {
 public:
  Viewer(const std::uint8_t* rgb, int side) : rgb_(rgb), side_(side), regions_(find_regions(rgb, side)) {}

  SeenScene see() {
    scene_.side = side_;
    for (int r = 0; r < static_cast<int>(regions_.all.size()); ++r) {
      if (is_part_of_sign(region(r))) continue;
      if (region(r).area_px < kLeastObject * side_ * side_) {
        ++scene_.specks;
        continue;
      }
      Area area = area_of(regions_, r);
      if (is_board(r, area)) take_sign(r, area);
      else take_object(r, std::move(area));
    }
    find_nesting();
    see_background();
    return std::move(scene_);
  }

 private:
  const Region& region(int index) const { return regions_.all[static_cast<std::size_t>(index)]; }

  Seen seen(int index) const {
    const Region& r = region(index);
    const double unit = 1.0 / side_;
    Seen s{.colour = r.colour, .x = (r.x0 + r.x1) * unit / 2, .y = (r.y0 + r.y1) * unit / 2, .left = r.x0 * unit, .top = r.y0 * unit,
           .right = r.x1 * unit, .bottom = r.y1 * unit, .area = r.area_px * unit * unit, .mask = std::vector<std::uint8_t>(regions_.label.size())};
    for (std::size_t i = 0; i < s.mask.size(); ++i) s.mask[i] = regions_.label[i] == index;
    return s;
  }

  // The insides of letters and the gaps between them, where the board's colour may be mixed with that of the ink.
  bool is_part_of_sign(const Region& r) const {
    const bool tiny = r.area_px < 2 * kLeastObject * side_ * side_;
    return std::any_of(boards_.begin(), boards_.end(), [&](const Region& b) {
      return r.x0 >= b.x0 && r.x1 <= b.x1 && r.y0 >= b.y0 && r.y1 <= b.y1 && (tiny || same_hue(r.mean, b.mean));
    });
  }

  // A rectangle with letters, or too long to be a square.
  bool is_board(int index, const Area& area) const {
    if (outline_share(area) < kBoardOutline) return false;
    const double width = region(index).x1 - region(index).x0, height = region(index).y1 - region(index).y0;
    if (height < kBoardHeight * side_) return false;
    const auto ink_px = static_cast<double>(std::count(area.cells.begin(), area.cells.end(), Cell::hole));
    return ink_px > kInkShare * width * height || width > kBoardAspect * height || height > kBoardAspect * width;
  }

  void take_sign(int index, const Area& area) {
    const Region& r = region(index);
    SeenSign sign;
    static_cast<Seen&>(sign) = seen(index);
    const Reading reading = read_sign(ink_of(r));
    sign.text = reading.text;
    sign.letter_score = reading.score;
    for (int y = r.y0; y < r.y1; ++y)  // the letters belong to the sign
      for (int x = r.x0; x < r.x1; ++x)
        if (area.at(x - area.x0, y - area.y0) == Cell::hole) sign.mask[static_cast<std::size_t>(y * side_ + x)] = 1;
    scene_.signs.push_back(std::move(sign));
    boards_.push_back(r);
  }

  // Share of black or white, whichever there is more of, in every pixel of a board, without its blurred edge.
  Ink ink_of(const Region& r) const {
    const int edge = std::max(1, side_ / 50);
    Ink dark{.width = r.x1 - r.x0 - 2 * edge, .height = r.y1 - r.y0 - 2 * edge, .cells = {}};
    if (dark.width < 1 || dark.height < 1) return {};
    Ink light = dark;
    for (int y = r.y0 + edge; y < r.y1 - edge; ++y)
      for (int x = r.x0 + edge; x < r.x1 - edge; ++x) {
        const Rgbf p = colour_at(rgb_ + 3 * (y * side_ + x));
        dark.cells.push_back(share_of_second(p, r.mean, {kDarkInk, kDarkInk, kDarkInk}));
        light.cells.push_back(share_of_second(p, r.mean, {kLightInk, kLightInk, kLightInk}));
      }
    const auto amount = [](const Ink& ink) { return std::count_if(ink.cells.begin(), ink.cells.end(), [](float v) { return v > 0.5f; }); };
    return amount(dark) > amount(light) ? dark : light;
  }

  void take_object(int index, Area area) {
    const ShapeMatch match = match_shape(coverage_of(regions_, index, area, rgb_));
    SeenObject o;
    static_cast<Seen&>(o) = seen(index);
    o.nearest = match.shape;
    o.runner_up = match.runner_up;
    o.shape_score = match.score;
    o.runner_up_score = match.runner_up_score;
    o.radius = match.radius / side_;
    const double margin = match.score - match.runner_up_score;
    if ((match.score >= kGoodFit && margin >= kGoodMargin) || (match.score >= kPoorFit && margin >= kPoorMargin)) {
      o.shape = match.shape;
      o.x = match.x / side_;
      o.y = match.y / side_;
    }
    scene_.objects.push_back(std::move(o));
    areas_.push_back(std::move(area));
  }

  // An object lies within the smallest one whose filled hole holds its centre.
  void find_nesting() {
    for (SeenObject& o : scene_.objects)
      for (std::size_t k = 0; k < areas_.size(); ++k) {
        const Area& a = areas_[k];
        const int x = static_cast<int>(o.x * side_) - a.x0, y = static_cast<int>(o.y * side_) - a.y0;
        if (&o != &scene_.objects[k] && a.holds(x, y) && a.at(x, y) == Cell::filled) o.within = static_cast<int>(k);
      }
  }

  void see_background() {
    std::vector<char> free(regions_.label.size());
    const int margin = std::max(kBlur_px, side_ / 40);
    for (std::size_t i = 0; i < free.size(); ++i) free[i] = regions_.label[i] == kNoRegion;
    for (const Region& r : regions_.all)  // whole boxes, as letters and rings let other things be seen
      for (int y = std::max(0, r.y0 - margin); y < std::min(side_, r.y1 + margin); ++y)
        for (int x = std::max(0, r.x0 - margin); x < std::min(side_, r.x1 + margin); ++x) free[static_cast<std::size_t>(y * side_ + x)] = 0;
    if (const auto ground = see_ground(rgb_, side_, free)) {
      scene_.tone = ground->tone;
      scene_.pattern = ground->pattern;
    }
  }

  const std::uint8_t* rgb_;
  int side_;
  Regions regions_;
  SeenScene scene_;
  std::vector<Region> boards_;
  std::vector<Area> areas_;    // of every object
};

}  // namespace

SeenScene see(const std::uint8_t* rgb, int side) { return Viewer(rgb, side).see(); }

}  // namespace safelight
