// Small line and scatter plots with error bars as self-contained SVG: no script, no fonts, readable on light and dark pages.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace safelight::app {

struct PlotPoint {
  std::size_t place = 0;                                // index into Plot::places; of no meaning where the x axis is to scale
  double value = 0;
  std::optional<std::pair<double, double>> interval;    // low and high end of the error bar
  double x = 0;                                         // where the x axis is to scale
};

struct PlotLine {
  std::string name;                // in the legend, which is left out when there is one line alone
  std::vector<PlotPoint> points;   // by place
};

struct Plot {
  std::string title, x_title;
  std::vector<std::string> places; // labels along x, evenly spaced: the axis is not to scale
  bool to_scale = false;           // the x axis shows PlotPoint::x; no places
  bool connected = true;           // false: places are things, not values of a knob
  bool from_zero = false;          // the y axis begins at 0 even where all values are far above it
  std::vector<PlotLine> lines;     // non-finite values are left out
};

std::string svg_plot(const Plot& plot);

}  // namespace safelight::app
