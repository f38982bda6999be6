#include "apps/cli/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "common/base/markup.h"

namespace safelight::app {
namespace {

constexpr double kWidth = 460, kHeight = 280, kLeft = 58, kRight = 14, kTop = 34, kBottom = 48, kLegendRow = 16;
constexpr double kLetter = 6.6;       // mean width
constexpr double kTilt_degrees = 25;  // of labels that are too long to stand side by side

// Colours that people with any colour vision tell apart (Okabe and Ito, 2008), lighter ones for dark pages; markers differ, too.
constexpr std::string_view kStyle = R"(
svg { color: #24292f; background: #fff; font: 12px system-ui, sans-serif }
.grid { stroke: #d0d7de } .bar, .line { fill: none; stroke-width: 1.6 } text { fill: currentColor }
.l0 { stroke: #0072b2; color: #0072b2 } .l1 { stroke: #b34a00; color: #b34a00 } .l2 { stroke: #00795a; color: #00795a }
.l3 { stroke: #9c4f7f; color: #9c4f7f } .l4 { stroke: #6b6300; color: #6b6300 } .mark { fill: currentColor; stroke: none }
@media (prefers-color-scheme: dark) {
  svg { color: #e6edf3; background: #0d1117 } .grid { stroke: #30363d }
  .l0 { stroke: #56b4e9; color: #56b4e9 } .l1 { stroke: #e69f00; color: #e69f00 } .l2 { stroke: #2fc79a; color: #2fc79a }
  .l3 { stroke: #e0a3c8; color: #e0a3c8 } .l4 { stroke: #f0e442; color: #f0e442 }
}
)";
constexpr std::size_t kLooks = 5;

struct Axis {
  double low = 0, high = 1, step = 0.2;
};

// Steps of 1, 2 or 5 times a power of ten, about five of them.
Axis axis_of(double low, double high) {
  if (!(low < high)) low -= 0.5, high += 0.5;
  const double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
  Axis a;
  a.step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power >= rough) a.step = factor * power;
  a.low = std::floor(low / a.step + 1e-9) * a.step;
  a.high = std::ceil(high / a.step - 1e-9) * a.step;
  return a;
}

Axis x_axis_of(const Plot& plot) {
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (const PlotLine& line : plot.lines)
    for (const PlotPoint& p : line.points)
      if (std::isfinite(p.x)) low = std::min(low, p.x), high = std::max(high, p.x);
  return std::isfinite(low) ? axis_of(low, high) : Axis{};
}

Axis axis_of(const Plot& plot) {
  double low = plot.from_zero ? 0 : HUGE_VAL, high = plot.from_zero ? 1e-9 : -HUGE_VAL;
  for (const PlotLine& line : plot.lines)
    for (const PlotPoint& p : line.points) {
      if (!std::isfinite(p.value)) continue;
      const auto [from, to] = p.interval.value_or(std::pair(p.value, p.value));
      low = std::min({low, p.value, from});
      high = std::max({high, p.value, to});
    }
  return std::isfinite(low) && std::isfinite(high) ? axis_of(low, high) : Axis{};
}

class Drawing {
 public:
  explicit Drawing(const Plot& plot) : plot_(plot), axis_(axis_of(plot)), x_axis_(x_axis_of(plot)), legend_(plot.lines.size() > 1 ? kLegendRow * static_cast<double>(plot.lines.size()) : 0) {
    std::size_t longest = 0;
    for (const std::string& place : plot.places) longest = std::max(longest, place.size());
    const double width = kLetter * static_cast<double>(longest);
    if (width > room()) tilted_ = width * std::sin(kTilt_degrees * std::acos(-1.0) / 180);
  }

  std::string svg() {
    const double height = kHeight + tilted_ + legend_;
    out_ = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\"><title>{2}</title><style>{3}</style>\n",
                       kWidth, height, escaped_markup(plot_.title), kStyle);
    text(kLeft, 20, "start", plot_.title, " font-weight=\"600\"");
    axes();
    for (std::size_t l = 0; l < plot_.lines.size(); ++l) line(l);
    for (std::size_t l = 0; legend_ > 0 && l < plot_.lines.size(); ++l) {
      const double y = kHeight + tilted_ + kLegendRow * (static_cast<double>(l) + 0.5);
      mark(l, kLeft + 6, y - 4);
      text(kLeft + 18, y, "start", plot_.lines[l].name);
    }
    return out_ + "</svg>\n";
  }

 private:
  double room() const { return (kWidth - kLeft - kRight) / static_cast<double>(std::max<std::size_t>(plot_.places.size(), 1)); }
  double x(std::size_t place) const { return kLeft + room() * (static_cast<double>(place) + 0.5); }
  double x(double value) const { return kLeft + (value - x_axis_.low) / (x_axis_.high - x_axis_.low) * (kWidth - kLeft - kRight); }
  double x(const PlotPoint& p, std::size_t line) const { return plot_.to_scale ? x(p.x) : x(p.place, line); }
  double x(std::size_t place, std::size_t line) const {
    const double aside = 7 * (static_cast<double>(line) - (static_cast<double>(plot_.lines.size()) - 1) / 2);  // so that bars do not hide each other
    return x(place) + std::clamp(aside, -room() / 2.2, room() / 2.2);
  }
  double y(double value) const { return kHeight - kBottom - (value - axis_.low) / (axis_.high - axis_.low) * (kHeight - kTop - kBottom); }

  void text(double x, double y, std::string_view anchor, const std::string& words, std::string_view more = "") {
    out_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more, escaped_markup(words));
  }

  void axes() {
    const auto ticks = static_cast<int>(std::lround((axis_.high - axis_.low) / axis_.step));
    for (int i = 0; i <= ticks; ++i) {
      const double value = axis_.low + i * axis_.step;
      out_ += fmt::format("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/>\n", kLeft, y(value), kWidth - kRight);
      text(kLeft - 6, y(value) + 4, "end", fmt::format("{:.4g}", std::abs(value) < 1e-9 * axis_.step ? 0.0 : value));
    }
    const double below = kHeight - kBottom + 18;
    for (double v = x_axis_.low; plot_.to_scale && v <= x_axis_.high + 1e-9 * x_axis_.step; v += x_axis_.step)
      text(x(v), below, "middle", fmt::format("{:.4g}", std::abs(v) < 1e-9 * x_axis_.step ? 0.0 : v));
    for (std::size_t p = 0; p < plot_.places.size(); ++p) {
      if (tilted_ == 0) text(x(p), below, "middle", plot_.places[p]);
      else text(x(p) + 4, below - 4, "end", plot_.places[p], fmt::format(" transform=\"rotate({} {:.1f} {:.1f})\"", -kTilt_degrees, x(p) + 4, below - 4));
    }
    text((kLeft + kWidth - kRight) / 2, kHeight + tilted_ - 10, "middle", plot_.x_title);
  }

  void mark(std::size_t line, double x, double y) {
    const auto look = line % kLooks;
    constexpr std::array<std::string_view, kLooks> kMarks = {"m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0", "m-3.3-3.3h6.6v6.6h-6.6z", "m0-4.5l4.2 7.6h-8.4z", "m0-4.6l4.2 4.6l-4.2 4.6l-4.2-4.6z",
                                                           "m0 4.5l4.2-7.6h-8.4z"};
    out_ += fmt::format("<path class=\"l{} mark\" d=\"M{:.1f} {:.1f}{}\"/>\n", look, x, y, kMarks[look]);
  }

  void line(std::size_t index) {
    std::string path;
    for (const PlotPoint& p : plot_.lines[index].points) {
      if (!std::isfinite(p.value)) continue;
      const double px = x(p, index);
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', px, y(p.value));
      mark(index, px, y(p.value));
      if (!p.interval) continue;
      const double low = y(p.interval->first), high = y(p.interval->second);
      out_ += fmt::format("<path class=\"l{} bar\" d=\"M{:.1f} {:.1f}V{:.1f}m-3 0h6M{:.1f} {:.1f}h6\"/>\n", index % kLooks, px, low, high, px - 3, low);
    }
    if (plot_.connected && !path.empty()) out_ += fmt::format("<path class=\"l{} line\" d=\"{}\"/>\n", index % kLooks, path);
  }

  const Plot& plot_;
  Axis axis_, x_axis_;
  double legend_, tilted_ = 0;   // heights of the legend and of tilted labels
  std::string out_;
};

}  // namespace

std::string svg_plot(const Plot& plot) { return Drawing(plot).svg(); }

}  // namespace safelight::app
