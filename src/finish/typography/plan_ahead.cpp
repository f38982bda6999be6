#include "finish/typography/plan_ahead.h"

#include <cmath>

#include "common/base/error.h"
#include "finish/typography/acceptance.h"
#include "finish/typography/rewrite.h"
#include "finish/typography/text_metric.h"

namespace safelight {
namespace {

constexpr double kSmallest_px = 7;      // of capitals
constexpr double kFill = 0.8;           // of the region's sides that text may take
constexpr double kLeading = 1.25;       // line to line, in heights of the ink
constexpr std::size_t kMostLines = 4;
constexpr int kMostCells = 128;
constexpr double kEdgeBonus = 2.5;      // how much smaller a board may be than open sky and still be taken

// The words on `lines` lines so that the longest is as short as possible.
std::vector<std::string> wrapped(const std::string& text, std::size_t lines) {
  if (lines == 1) return {text};
  std::vector<std::string> best;
  std::size_t shortest = std::string::npos;
  for (std::size_t blank = text.find(' '); blank != std::string::npos; blank = text.find(' ', blank + 1)) {
    std::vector<std::string> rest = wrapped(text.substr(blank + 1), lines - 1);
    if (rest.empty()) continue;
    rest.insert(rest.begin(), text.substr(0, blank));
    std::size_t longest = 0;
    for (const std::string& l : rest) longest = std::max(longest, l.size());
    if (longest < shortest) shortest = longest, best = std::move(rest);
  }
  return best;
}

struct Layout {
  std::vector<Lettering> lines;
  double height_px = 0;  // of the ink of a line
};

// The text in `face`, as large as the region lets it be.
Layout laid_out(const Typesetter& typesetter, const std::string& text, const Face& face, const Box& region) {
  Layout best;
  const std::size_t words = 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
  for (std::size_t n = 1; n <= std::min(words, kMostLines); ++n) {
    const std::vector<std::string> lines = wrapped(text, n);
    double widest = 0, tallest = 0;
    for (const std::string& l : lines) {
      const InkExtents e = typesetter.extents(l, face);
      widest = std::max(widest, e.width), tallest = std::max(tallest, e.height);
    }
    const double size = std::min(kFill * region.width / widest, kFill * region.height / (tallest * (1 + kLeading * static_cast<double>(n - 1))));
    if (size * tallest <= best.height_px) continue;
    best = {{}, size * tallest};
    for (std::size_t i = 0; i < n; ++i) {
      const InkExtents e = typesetter.extents(lines[i], face);
      LineBox frame{region.x + region.width / 2.0, region.y + region.height / 2.0 + (static_cast<double>(i) - static_cast<double>(n - 1) / 2) * kLeading * best.height_px, e.width * size, e.height * size, 0};
      best.lines.push_back({lines[i], face, frame, -e.width * size / 2, -(e.y + e.height / 2) * size, size, 1});
    }
  }
  return best;
}

// Squares of pixels, at most kMostCells along a side of the picture, and whether nothing happens in them.
struct Cells {
  int side_px = 2;
  int width = 0, height = 0;
  std::vector<char> calm;
  bool at(int x, int y) const { return x >= 0 && y >= 0 && x < width && y < height && calm[static_cast<std::size_t>(y) * width + x]; }
};

Cells calm_cells(const Image& image) {
  Raster gray(image.width, image.height);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const auto [r, g, b] = colour_at(image, x, y);
      gray.at(x, y) = (r + 2 * g + b) / 4;
    }
  const double noise = noise_of(gray);
  gray = blurred(gray, noise > 3 ? 1.5 : 0.7);
  const double limit = 10 + noise;
  Cells out;
  out.side_px = std::max(2, (std::max(image.width, image.height) + kMostCells - 1) / kMostCells);
  out.width = image.width / out.side_px, out.height = image.height / out.side_px;
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      float low = 1e9F, high = -1e9F;
      for (int j = 0; j <= out.side_px; ++j)  // one more on each side: edges between cells count
        for (int i = 0; i <= out.side_px; ++i) {
          const float v = gray.at(std::min(x * out.side_px + i, image.width - 1), std::min(y * out.side_px + j, image.height - 1));
          low = std::min(low, v), high = std::max(high, v);
        }
      out.calm.push_back(high - low < limit);
    }
  return out;
}

// Whether something other than the rim of the picture ends the box on all four sides, within two cells.
bool has_edge(const Cells& cells, const Box& b) {
  const auto busy = [&](int x, int y) { return x >= 0 && y >= 0 && x < cells.width && y < cells.height && !cells.at(x, y); };
  int top = 0, bottom = 0, left = 0, right = 0;
  for (int x = b.x; x < b.right(); ++x) top += busy(x, b.y - 1) || busy(x, b.y - 2), bottom += busy(x, b.bottom()) || busy(x, b.bottom() + 1);
  for (int y = b.y; y < b.bottom(); ++y) left += busy(b.x - 1, y) || busy(b.x - 2, y), right += busy(b.right(), y) || busy(b.right() + 1, y);
  return std::min(top, bottom) > 0.6 * b.width && std::min(left, right) > 0.6 * b.height;
}

}  // namespace

std::string prompt_left_blank(const std::string& prompt) {
  constexpr std::array kLeads = {"that says", "which says", "that reads", "which reads", "with the words", "with the word", "with the text", "saying", "says", "reading", "reads", "labelled", "labeled", "titled"};
  std::string out = prompt;
  while (true) {
    const auto ranges = quoted_ranges(out);
    if (ranges.empty()) return out;
    std::string head = out.substr(0, ranges[0].first);
    while (!head.empty() && (head.back() == ' ' || head.back() == ',' || head.back() == ':')) head.pop_back();
    bool led = false;
    for (const std::string_view lead : kLeads)
      if (!led && head.size() > lead.size() && head.ends_with(lead) && head[head.size() - lead.size() - 1] == ' ') head.resize(head.size() - lead.size() - 1), led = true;
    out = collapse_blanks(head + (led ? " left blank" : "") + out.substr(ranges[0].second));
  }
}

std::optional<Box> blank_area(const Image& image, double aspect) {
  const Cells cells = calm_cells(image);
  std::vector<int> run(static_cast<std::size_t>(cells.width));  // calm cells upwards from this row
  std::optional<Box> best;
  double most = kSmallest_px / kFill;
  for (int y = 0; y < cells.height; ++y)
    for (int x = 0; x < cells.width; ++x) {
      if (x == 0)
        for (int i = 0; i < cells.width; ++i) run[i] = cells.at(i, y) ? run[i] + 1 : 0;
      for (int left = x, height = cells.height; left >= 0 && (height = std::min(height, run[left])) > 0; --left) {
        const Box b{left, y - height + 1, x - left + 1, height};
        double size = cells.side_px * std::min(b.width / aspect, static_cast<double>(b.height));
        if (kEdgeBonus * size <= most) continue;
        if (has_edge(cells, b)) size *= kEdgeBonus;
        if (size > most) most = size, best = Box{b.x * cells.side_px, b.y * cells.side_px, b.width * cells.side_px, b.height * cells.side_px};
      }
    }
  return best;
}

void write_on_blank(TextReader& reader, const Typesetter& typesetter, const TextCheck& before, std::size_t t, const std::optional<Box>& region, FixedPicture& out, TextFix& fix) {
  const std::string& text = before.targets[t].expected;
  std::vector<Face> faces;
  for (const Face& face : typesetter.faces())
    if (faces.size() < 4 && typesetter.can_write(text, face)) faces.push_back(face);
  if (faces.empty()) {
    fix.reason = "unfixable: no installed font has every letter";
    return;
  }
  const InkExtents e = typesetter.extents(text, faces[0]);
  const std::optional<Box> area = region ? region : blank_area(out.image, e.width / e.height);
  fix.reason = "unfixable: no place is empty and large enough for letters that can be read";
  if (!area) return;
  for (const Face& face : faces) {
    const Layout layout = laid_out(typesetter, text, face, *area);
    if (layout.height_px < kSmallest_px) continue;
    FixedPicture tried = out;
    std::vector<Box> boxes;
    for (const Lettering& l : layout.lines) {
      InkedLine blank;
      blank.place = l.frame, blank.board = fitted_board(out.image, *area);
      rewrite_line(typesetter, blank, l, strong_style(blank), tried.image, tried.mask);
      boxes.push_back(intersection(bounds(l.frame, 0), {0, 0, out.image.width, out.image.height}));
    }
    fix.reason = "unfixable: what was written cannot be read";
    if (!accepted(reader, tried.image, before, t, fix) || fix.cer_after > 0) continue;
    fix.changed = true, fix.reason.clear(), fix.method = kFixLimits[static_cast<std::size_t>(FixLimit::overlay)], fix.boxes = boxes;
    fix.font = face.name(), fix.font_file = typesetter.file(face);
    out = std::move(tried);
    return;
  }
  fix.read_after = fix.read_before, fix.cer_after = fix.cer_before;
}

FixedPicture write_text(TextReader& reader, const Typesetter& typesetter, const Image& image, const std::vector<std::string>& texts, const std::vector<Box>& regions) {
  if (!regions.empty() && regions.size() != texts.size()) throw Error(ErrorCode::invalid_argument, std::to_string(regions.size()) + " regions for " + std::to_string(texts.size()) + " texts; give none, or one for each");
  for (const Box& b : regions)
    if (b.empty() || b.x < 0 || b.y < 0 || b.right() > image.width || b.bottom() > image.height)
      throw Error(ErrorCode::invalid_argument, "the region " + std::to_string(b.x) + "," + std::to_string(b.y) + "," + std::to_string(b.width) + "," + std::to_string(b.height) + " does not lie in the picture of " + std::to_string(image.width) + "x" + std::to_string(image.height) + " pixels");
  FixedPicture out{image, std::vector<std::uint8_t>(static_cast<std::size_t>(image.width) * image.height), {}};
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const TextCheck check = check_text(reader, out.image, texts);
    const TextTarget& target = check.targets[t];
    TextFix fix{.expected = texts[t], .read_before = target.read, .read_after = target.read, .cer_before = target.cer, .cer_after = target.cer};
    if (target.status == TextStatus::exact) fix.reason = "exact";
    else write_on_blank(reader, typesetter, check, t, regions.empty() ? std::nullopt : std::optional(regions[t]), out, fix);
    out.fixes.push_back(std::move(fix));
  }
  return out;
}

}  // namespace safelight
