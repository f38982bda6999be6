#include "engine/training/checker/scene_regions.h"

#include <algorithm>

namespace safelight {
namespace {

// Limits in steps of 0 .. 255.
constexpr float kCoreChroma = 22;      // the faintest colour of the palette, brown, has 62
constexpr float kFaintChroma = 30;
constexpr float kFlatSlope = 18;       // change over two pixels inside one colour; blurred edges between colours have 30
constexpr float kMixtureError = 30;    // of a pixel that is a mixture of two colours
constexpr int kCorePixels = 4;

class Segmenter {
 public:
  Segmenter(const std::uint8_t* rgb, int side)
      : side_(side), rgb_(rgb), label_(static_cast<std::size_t>(side) * static_cast<std::size_t>(side), kNoRegion) {}

  Regions run() {
    smoothen();
    find_cores();
    grow();
    settle_borders();
    take_leftovers();
    return joined({.side = side_, .label = std::move(label_), .all = std::move(regions_)});
  }

 private:
  int& label(int at) { return label_[static_cast<std::size_t>(at)]; }
  Region& region(int r) { return regions_[static_cast<std::size_t>(r)]; }
  Rgbf pixel(int at) const { return colour_at(rgb_ + 3 * at); }
  Rgbf smooth(int at) const { return colour_at(smooth_.data() + 3 * at); }

  // 1 2 1 across and down; the border repeats itself.
  void smoothen() {
    smooth_.resize(3 * label_.size());
    const int row = 3 * side_;
    std::vector<int> down(static_cast<std::size_t>(row));
    for (int y = 0; y < side_; ++y) {
      const std::uint8_t *here = rgb_ + y * row, *above = y > 0 ? here - row : here, *below = y + 1 < side_ ? here + row : here;
      for (int i = 0; i < row; ++i) down[static_cast<std::size_t>(i)] = above[i] + 2 * here[i] + below[i];
      for (int i = 0; i < row; ++i) {
        const int left = down[static_cast<std::size_t>(i >= 3 ? i - 3 : i)], right = down[static_cast<std::size_t>(i + 3 < row ? i + 3 : i)];
        smooth_[static_cast<std::size_t>(y * row + i)] = static_cast<std::uint8_t>((left + 2 * down[static_cast<std::size_t>(i)] + right + 8) / 16);
      }
    }
  }

  bool is_flat(int at) const {
    const Rgbf v = chroma(smooth(at));
    if (dot(v, v) < kCoreChroma * kCoreChroma) return false;
    const int x = at % side_, y = at / side_;
    const Rgbf left = smooth(x > 0 ? at - 1 : at), right = smooth(x + 1 < side_ ? at + 1 : at);
    const Rgbf up = smooth(y > 0 ? at - side_ : at), down = smooth(y + 1 < side_ ? at + side_ : at);
    for (std::size_t k = 0; k < 3; ++k) {
      const float dx = right[k] - left[k], dy = down[k] - up[k];
      if (dx * dx + dy * dy > kFlatSlope * kFlatSlope) return false;
    }
    return true;
  }

  // The pixels reachable from `start` over those that `in` allows; each is marked by `mark` when it is reached.
  template <class In, class Mark>
  std::vector<int> flood(int start, In&& in, Mark&& mark) const {
    std::vector<int> found = {start};
    mark(start);
    for (std::size_t i = 0; i < found.size(); ++i)
      for_neighbours(found[i], side_, [&](int n) {
        if (in(n)) mark(n), found.push_back(n);
      });
    return found;
  }

  // Where the colour is the same all round: the insides of objects, without their blurred edges.
  void find_cores() {
    std::vector<char> flat(label_.size());
    for (int at = 0; at < static_cast<int>(flat.size()); ++at) flat[static_cast<std::size_t>(at)] = is_flat(at);
    for (int at = 0; at < static_cast<int>(flat.size()); ++at) {
      if (!flat[static_cast<std::size_t>(at)]) continue;
      const auto core = flood(at, [&](int n) { return flat[static_cast<std::size_t>(n)] != 0; }, [&](int n) { flat[static_cast<std::size_t>(n)] = 0; });
      if (static_cast<int>(core.size()) >= kCorePixels) add_region(core, core, static_cast<int>(core.size()));
    }
  }

  // A region of these pixels, whose colour is that of `sample`.
  void add_region(const std::vector<int>& pixels, const std::vector<int>& sample, int core_px) {
    Region r;
    for (const int at : sample)
      for (std::size_t k = 0; k < 3; ++k) r.mean[k] += smooth(at)[k] / static_cast<float>(sample.size());
    r.colour = nearest_colour(r.mean);
    r.core_px = core_px;
    for (const int at : pixels) label(at) = static_cast<int>(regions_.size());
    regions_.push_back(r);
    chromas_.push_back(chroma(r.mean));
  }

  // At least half of the pixel is the region's, if the rest is gray.
  bool mostly(int at, std::size_t region) const {
    return dot(chroma(pixel(at)), chromas_[region]) >= 0.5f * dot(chromas_[region], chromas_[region]);
  }

  void grow() {
    std::vector<int> queue;
    for (int at = 0; at < static_cast<int>(label_.size()); ++at)
      if (label(at) != kNoRegion) queue.push_back(at);
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const int region = label(queue[i]);
      for_neighbours(queue[i], side_, [&](int n) {
        if (label(n) == kNoRegion && mostly(n, static_cast<std::size_t>(region))) label(n) = region, queue.push_back(n);
      });
    }
  }

  // Where two regions meet, every pixel goes to the one whose colour is nearer; the mixture of two colours may be gray, so
  // that neither has grown over it.
  void settle_borders() {
    for (int pass = 0; pass < kBlur_px; ++pass)
      for (int at = 0; at < static_cast<int>(label_.size()); ++at) {
        int other = kNoRegion;
        for_neighbours(at, side_, [&](int n) {
          if (label(n) != kNoRegion && label(n) != label(at)) other = label(n);
        });
        if (other == kNoRegion) continue;
        if (label(at) == kNoRegion) label(at) = mixed_region(at, other);
        else if (distance2(pixel(at), region(other).mean) < distance2(pixel(at), region(label(at)).mean)) label(at) = other;
      }
  }

  // Of `first` and another region near the pixel, if it is a mixture of their colours, the one with the larger part.
  int mixed_region(int at, int first) {
    const int second = near_region(at, first);
    if (second == kNoRegion) return kNoRegion;
    const Rgbf &a = region(first).mean, &b = region(second).mean;
    const float part = share_of_second(pixel(at), a, b);
    const Rgbf way = difference(b, a), mixture = {a[0] + part * way[0], a[1] + part * way[1], a[2] + part * way[2]};
    if (distance2(pixel(at), mixture) > kMixtureError * kMixtureError) return kNoRegion;
    return part < 0.5f ? first : second;
  }

  // A region, other than `except`, in whose blurred edge the pixel may lie.
  int near_region(int at, int except = kNoRegion) const {
    const int x = at % side_, y = at / side_;
    for (int v = std::max(0, y - kBlur_px); v <= std::min(side_ - 1, y + kBlur_px); ++v)
      for (int u = std::max(0, x - kBlur_px); u <= std::min(side_ - 1, x + kBlur_px); ++u) {
        const int l = label_[static_cast<std::size_t>(v * side_ + u)];
        if (l != kNoRegion && l != except) return l;
      }
    return kNoRegion;
  }

  // Coloured pixels away from every region: things too thin or too small to have an inside.
  void take_leftovers() {
    std::vector<char> open(label_.size());
    for (int at = 0; at < static_cast<int>(open.size()); ++at) {
      const Rgbf v = chroma(smooth(at));
      open[static_cast<std::size_t>(at)] = label(at) == kNoRegion && dot(v, v) > kFaintChroma * kFaintChroma && near_region(at) == kNoRegion;
    }
    for (int at = 0; at < static_cast<int>(open.size()); ++at) {
      if (!open[static_cast<std::size_t>(at)]) continue;
      auto pixels = flood(at, [&](int n) { return open[static_cast<std::size_t>(n)] != 0; }, [&](int n) { open[static_cast<std::size_t>(n)] = 0; });
      const auto strength = [&](int p) { return dot(chroma(smooth(p)), chroma(smooth(p))); };
      std::sort(pixels.begin(), pixels.end(), [&](int a, int b) { return strength(a) > strength(b); });
      add_region(pixels, {pixels.begin(), pixels.begin() + static_cast<std::ptrdiff_t>((pixels.size() + 2) / 3)}, 0);
      for (const int p : pixels)
        if (!mostly(p, regions_.size() - 1)) label(p) = kNoRegion;
    }
  }

  int side_;
  const std::uint8_t* rgb_;
  std::vector<std::uint8_t> smooth_;
  std::vector<int> label_;
  std::vector<Region> regions_;
  std::vector<Rgbf> chromas_;  // of every region
};

}  // namespace

Regions find_regions(const std::uint8_t* rgb, int side) { return Segmenter(rgb, side).run(); }

}  // namespace safelight
