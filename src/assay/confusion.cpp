#include "assay/confusion.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/markup.h"

namespace safelight {
namespace {

constexpr int kCell_px = 44, kLeft_px = 130, kTop_px = 150, kRight_px = 90, kBottom_px = 16;

std::size_t place_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::string cell(int x, int y, int count, double share, bool right) {
  const int strength = static_cast<int>(share * 200);
  const std::string fill = right ? fmt::format("rgb({},{},{})", 245 - strength, 250 - strength / 3, 245 - strength)
                                 : fmt::format("rgb({},{},{})", 255 - strength / 5, 248 - strength, 245 - strength);
  std::string out = fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x, y, kCell_px - 1, kCell_px - 1,
                                count > 0 ? fill : "rgb(250,250,250)");
  if (count > 0) out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x + kCell_px / 2, y + kCell_px / 2 + 4, count);
  return out;
}

}  // namespace

Confusion confusion_of(const std::vector<AssayRecord>& records, Pick pick) {
  Confusion c;
  c.truths = {kHealthy};
  for (const char* s : kSubsystems) c.truths.emplace_back(s);
  c.answers = c.truths;
  c.answers.emplace_back(kUndetermined);
  c.counts.assign(c.truths.size(), std::vector<int>(c.answers.size(), 0));
  for (const AssayRecord& r : records) {
    const std::string truth = r.clean() ? kHealthy : r.subsystem, &said = (r.*pick).said;
    const std::size_t row = place_of(c.truths, truth), column = place_of(c.answers, r.right(said) ? truth : said);
    if (row < c.truths.size() && column < c.answers.size()) ++c.counts[row][column];
  }
  for (std::size_t row = c.truths.size(); row-- > 1;)  // subsystems without a fault need no row
    if (std::all_of(c.counts[row].begin(), c.counts[row].end(), [](int n) { return n == 0; })) {
      c.counts.erase(c.counts.begin() + static_cast<std::ptrdiff_t>(row));
      c.truths.erase(c.truths.begin() + static_cast<std::ptrdiff_t>(row));
    }
  return c;
}

Json to_json(const Confusion& c) { return {{"truths", c.truths}, {"answers", c.answers}, {"counts", c.counts}}; }

std::string svg_of(const Confusion& c, const std::string& title) {
  const int width = kLeft_px + kCell_px * static_cast<int>(c.answers.size()) + kRight_px, height = kTop_px + kCell_px * static_cast<int>(c.truths.size()) + kBottom_px;
  std::string out = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
                                "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"12\" y=\"22\" font-size=\"15\">{2}</text>\n"
                                "<text x=\"12\" y=\"42\" fill=\"#555\">rows: what was broken; columns: what the verdict named</text>\n", width, height, escaped_markup(title));
  for (std::size_t k = 0; k < c.answers.size(); ++k) {
    const int x = kLeft_px + kCell_px * static_cast<int>(k) + kCell_px / 2 + 4;
    out += fmt::format("<text transform=\"translate({},{}) rotate(-50)\">{}</text>\n", x, kTop_px - 6, escaped_markup(c.answers[k]));
  }
  for (std::size_t row = 0; row < c.truths.size(); ++row) {
    const int y = kTop_px + kCell_px * static_cast<int>(row);
    int all = 0;
    for (const int n : c.counts[row]) all += n;
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLeft_px - 8, y + kCell_px / 2 + 4, escaped_markup(c.truths[row]));
    for (std::size_t k = 0; k < c.answers.size(); ++k)
      out += cell(kLeft_px + kCell_px * static_cast<int>(k), y, c.counts[row][k], all > 0 ? static_cast<double>(c.counts[row][k]) / all : 0, c.answers[k] == c.truths[row]);
  }
  return out + "</svg>\n";
}

}  // namespace safelight
