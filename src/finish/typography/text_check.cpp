#include "finish/typography/text_check.h"

#include <cmath>

#include "common/base/error.h"
#include "finish/typography/sign_board.h"
#include "finish/typography/text_metric.h"

namespace safelight {
namespace {

constexpr double kNear = 0.34;
constexpr double kSureOfBoard = 0.6;          // confidence; what is on a board may be several lines, or a picture
constexpr double kMissing = 1.5;              // cost of a target without a line: more than the worst line's
constexpr std::size_t kMostLinesOfText = 4;
constexpr std::size_t kTriedPerTarget = 8;    // the best few candidates of each target are searched together
constexpr int kMostSteps = 200'000;           // of that search

double overlap(const InkedLine& a, const InkedLine& b) {
  const Box x = bounds(a.place, 0), y = bounds(b.place, 0), both = intersection(x, y);
  if (both.empty()) return 0;
  return static_cast<double>(both.width) * both.height / std::min(static_cast<double>(x.width) * x.height, static_cast<double>(y.width) * y.height);
}

bool legible(const LineReading& r) {
  return r.confidence > 0.2 && std::any_of(r.text.begin(), r.text.end(), [](unsigned char c) { return c >= 0x80 || std::isalnum(c); });
}

// Sure readings of much text are rarely wrong about there being text.
double weight(const ReadLine& l) { return l.reading.confidence * l.reading.confidence * std::sqrt(static_cast<double>(l.reading.text.size())); }

// Does `b` go on where `a` ends: to its right on the same baseline, or below it?
bool continues(const LineBox& a, const LineBox& b) {
  const double h = std::max(a.height, b.height);
  if (std::min(a.height, b.height) < 0.45 * h) return false;
  const auto [u, v] = a.to_line(b.centre_x, b.centre_y);
  const double gap = std::abs(u) - (a.width + b.width) / 2, drop = v - (a.height + b.height) / 2;
  if (std::abs(v) < 0.5 * h) return u > 0 && gap < 3 * h;
  return v > 0 && drop < 1.5 * h && gap < 0;
}

struct Candidate {
  std::vector<std::size_t> lines;
  std::string read;
  double cost = 0;
};

std::vector<Candidate> candidates_for(const std::string& expected, const std::vector<ReadLine>& lines) {
  double tallest = 1;
  for (const ReadLine& l : lines) tallest = std::max(tallest, l.line.place.height);
  std::vector<Candidate> open, out;
  for (std::size_t i = 0; i < lines.size(); ++i) open.push_back({{i}, lines[i].reading.text, 0});
  const std::size_t words = 1 + static_cast<std::size_t>(std::count(expected.begin(), expected.end(), ' '));
  for (std::size_t at = 0; at < open.size() && open.size() < 500; ++at) {
    const Candidate c = open[at];
    const ReadLine& last = lines[c.lines.back()];
    for (std::size_t j = 0; j < lines.size() && c.lines.size() < std::min(words, kMostLinesOfText); ++j)
      if (std::find(c.lines.begin(), c.lines.end(), j) == c.lines.end() && continues(last.line.place, lines[j].line.place)) {
        Candidate longer = c;
        longer.lines.push_back(j), longer.read += " " + lines[j].reading.text;
        open.push_back(std::move(longer));
      }
  }
  for (Candidate& c : open) {
    const ReadLine& first = lines[c.lines[0]];
    c.cost = std::min(character_error_rate(c.read, expected), 1.0) + 0.1 * (1 - first.reading.confidence) + 0.2 * (1 - first.line.place.height / tallest);
    out.push_back(std::move(c));
  }
  std::stable_sort(out.begin(), out.end(), [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  if (out.size() > kTriedPerTarget) out.resize(kTriedPerTarget);
  return out;
}

// Branch and bound over the targets: which candidate each takes, or none.
struct Assignment {
  const std::vector<std::vector<Candidate>>& candidates;
  std::vector<char> taken;
  std::vector<int> chosen, best;
  double least = 1e18;
  int steps = 0;

  void search(std::size_t target, double cost) {
    if (cost >= least || ++steps > kMostSteps) return;
    if (target == candidates.size()) {
      least = cost, best = chosen;
      return;
    }
    for (std::size_t k = 0; k < candidates[target].size(); ++k) {
      const auto& lines = candidates[target][k].lines;
      if (std::any_of(lines.begin(), lines.end(), [&](std::size_t i) { return taken[i]; })) continue;
      for (const std::size_t i : lines) taken[i] = 1;
      chosen[target] = static_cast<int>(k);
      search(target + 1, cost + candidates[target][k].cost);
      for (const std::size_t i : lines) taken[i] = 0;
    }
    chosen[target] = -1;
    search(target + 1, cost + kMissing);
  }
};

}  // namespace

const char* name(TextStatus status) {
  switch (status) {
    case TextStatus::exact: return "exact";
    case TextStatus::near: return "near";
    case TextStatus::wrong: return "wrong";
    case TextStatus::missing: return "missing";
  }
  return "";
}

bool TextCheck::exact() const {
  return std::all_of(targets.begin(), targets.end(), [](const TextTarget& t) { return t.status == TextStatus::exact; });
}

double TextCheck::mean_cer() const {
  double sum = 0;
  for (const TextTarget& t : targets) sum += t.cer;
  return targets.empty() ? 0 : sum / static_cast<double>(targets.size());
}

std::vector<ReadLine> read_lines(TextReader& reader, const Image& image) {
  std::vector<ReadLine> read, out;
  for (const FoundLine& found : find_text_lines(image)) {
    ReadLine line{inked(image, found), {}};
    if (!may_be_writing(line.line)) continue;
    line.reading = reader.read(line.line);
    if (legible(line.reading)) read.push_back(std::move(line));
  }
  // Where the sides of a board stand close to the letters, they are taken for letters too; what is on the board alone reads better then.
  for (SignBoard& board : sign_boards(image)) {
    ReadLine line{std::move(board.writing), {}};
    line.reading = reader.read(line.line);
    if (legible(line.reading) && line.reading.confidence > kSureOfBoard) read.push_back(std::move(line));
  }
  std::stable_sort(read.begin(), read.end(), [](const ReadLine& a, const ReadLine& b) { return weight(a) > weight(b); });
  for (ReadLine& line : read)
    if (std::none_of(out.begin(), out.end(), [&](const ReadLine& better) { return overlap(better.line, line.line) > 0.3; })) out.push_back(std::move(line));
  std::stable_sort(out.begin(), out.end(), [](const ReadLine& a, const ReadLine& b) { return a.line.place.centre_y < b.line.place.centre_y; });
  return out;
}

std::vector<TextTarget> assigned(const std::vector<ReadLine>& lines, const std::vector<std::string>& expected) {
  std::vector<std::vector<Candidate>> candidates;
  for (const std::string& text : expected) candidates.push_back(candidates_for(text, lines));
  Assignment a{candidates, std::vector<char>(lines.size()), std::vector<int>(expected.size(), -1), {}};
  a.search(0, 0);
  std::vector<TextTarget> out;
  for (std::size_t t = 0; t < expected.size(); ++t) {
    TextTarget target{expected[t], {}, "", 1, TextStatus::missing};
    if (t < a.best.size() && a.best[t] >= 0) {
      const Candidate& c = candidates[t][static_cast<std::size_t>(a.best[t])];
      target.lines = c.lines, target.read = c.read, target.cer = character_error_rate(c.read, target.expected);
      target.status = target.cer == 0 ? TextStatus::exact : target.cer <= kNear ? TextStatus::near : TextStatus::wrong;
    }
    out.push_back(std::move(target));
  }
  return out;
}

TextCheck check_text(TextReader& reader, const Image& image, const std::vector<std::string>& expected) {
  TextCheck out;
  out.lines = read_lines(reader, image);
  out.targets = assigned(out.lines, expected);
  for (std::size_t i = 0; i < out.lines.size(); ++i)
    if (std::none_of(out.targets.begin(), out.targets.end(), [&](const TextTarget& t) { return std::find(t.lines.begin(), t.lines.end(), i) != t.lines.end(); })) out.extra.push_back(i);
  return out;
}

std::size_t best_by_text(TextReader& reader, const std::vector<Image>& images, const std::vector<std::string>& expected) {
  if (images.empty()) throw Error(ErrorCode::invalid_argument, "there is no picture to choose from; give at least one");
  std::size_t best = 0;
  double least = 1e18;
  for (std::size_t i = 0; i < images.size(); ++i)
    if (const double cer = check_text(reader, images[i], expected).mean_cer(); cer < least) least = cer, best = i;
  return best;
}

}  // namespace safelight
