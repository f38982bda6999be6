#include "finish/typography/text_fix.h"

#include <cmath>
#include <optional>

#include "common/base/error.h"
#include "finish/typography/acceptance.h"
#include "finish/typography/plan_ahead.h"
#include "finish/typography/rewrite.h"
#include "finish/typography/sign_board.h"
#include "finish/typography/text_metric.h"

namespace safelight {
namespace {

constexpr double kSmallest_px = 7;     // of the ink's height: what is smaller cannot be read back
constexpr double kTrustedCer = 0.67;   // readings further off than this say little about the shapes that are there
constexpr double kLikenessCer = 0.5;   // and those further off than this little about where they stand, if there is a board to go by

struct Attempt {
  FixLimit needs;
  Style (*style)(const InkedLine&);
};
constexpr std::array<Attempt, 3> kAttempts = {{{FixLimit::same_style, same_style}, {FixLimit::contrast, strong_style}, {FixLimit::plate, plate_style}}};

// A line to write, and what it shall say.
struct Part {
  const ReadLine* line;
  std::string text;
};

// The words of the text over its lines, so that what is there already differs least.
std::vector<Part> split(const std::string& expected, const std::vector<const ReadLine*>& lines) {
  if (lines.size() == 1) return {{lines[0], expected}};
  double least = 1e18;
  const std::vector<const ReadLine*> rest(lines.begin() + 1, lines.end());
  std::vector<Part> out;
  for (std::size_t blank = expected.find(' '); blank != std::string::npos; blank = expected.find(' ', blank + 1)) {
    const std::string head = expected.substr(0, blank), tail = expected.substr(blank + 1);
    if (static_cast<std::size_t>(std::count(tail.begin(), tail.end(), ' ')) + 1 < rest.size()) break;
    std::vector<Part> parts = split(tail, rest);
    double cost = character_error_rate(lines[0]->reading.text, head);
    for (const Part& p : parts) cost += character_error_rate(p.line->reading.text, p.text);
    if (cost >= least) continue;
    least = cost, out = std::move(parts), out.insert(out.begin(), {lines[0], head});
  }
  return out;
}

// The picture with every part that is not exact written anew; empty when a letter would be too small.
std::optional<FixedPicture> written(const Typesetter& typesetter, const FixedPicture& from, const std::vector<Part>& parts, const Face& face, Style (*style)(const InkedLine&), std::vector<Box>& boxes) {
  FixedPicture out = from;
  boxes.clear();
  for (const Part& part : parts) {
    if (part.line->reading.text == part.text) continue;
    const InkedLine& line = part.line->line;
    const std::string& read = part.line->reading.text;
    const auto [left, right] = room(from.image, line);
    const Lettering l = placed(typesetter, line, character_error_rate(read, part.text) <= kTrustedCer ? read : "", part.text, face, left, right);
    if (typesetter.extents(part.text, face).height * l.size_px < kSmallest_px) return std::nullopt;
    rewrite_line(typesetter, line, l, style(line), out.image, out.mask);
    boxes.push_back(intersection(bounds(line.place, 0), {0, 0, out.image.width, out.image.height}));
  }
  return out;
}

double near_cer(TextReader& reader, const Image& image, const std::vector<Part>& parts, const std::string& expected) {
  Box area = parts[0].line->line.box;
  for (const Part& p : parts) {
    const Box& b = p.line->line.box;
    const int x = std::min(area.x, b.x), y = std::min(area.y, b.y);
    area = {x, y, std::max(area.right(), b.right()) - x, std::max(area.bottom(), b.bottom()) - y};
  }
  return check_text(reader, cropped(image, grown(area, static_cast<int>(parts[0].line->line.place.height), image.width, image.height)), {expected}).targets[0].cer;
}

// What the ways of writing are tried on.
struct Repair {
  TextReader& reader;
  const Typesetter& typesetter;
  const TextCheck& before;
  std::size_t target;
  const FixOptions& options;
};

// Every way, the mildest first, until the text is read exactly. Returns how many left room for letters.
int try_ways(const Repair& r, const std::vector<Part>& parts, const std::vector<FaceMatch>& faces, FixedPicture& out, TextFix& fix) {
  FixedPicture best = out;
  int tried = 0;
  for (const Attempt& attempt : kAttempts) {
    if (attempt.needs > r.options.limit) break;
    for (int f = 0; f < std::min(r.options.faces, static_cast<int>(faces.size())) && fix.cer_after > 0; ++f) {
      std::vector<Box> boxes;
      std::optional<FixedPicture> trial = written(r.typesetter, out, parts, faces[f].face, attempt.style, boxes);
      if (!trial) continue;
      ++tried;
      TextFix as_tried = fix;
      if (near_cer(r.reader, trial->image, parts, fix.expected) >= fix.cer_after || !accepted(r.reader, trial->image, r.before, r.target, as_tried) || as_tried.cer_after >= fix.cer_after) continue;
      fix = as_tried, fix.changed = true, fix.method = kFixLimits[static_cast<std::size_t>(attempt.needs)], fix.boxes = boxes;
      fix.font = faces[f].face.name(), fix.font_file = r.typesetter.file(faces[f].face), fix.likeness = faces[f].likeness;
      best = std::move(*trial);
    }
  }
  out = std::move(best);
  return tried;
}

// Letters that are none say nothing of where a line runs and how large it is; the board that they stand on does. Writes across the board, over all that
// is on it.
int repair_on_board(const Repair& r, FixedPicture& out, TextFix& fix) {
  std::vector<LineBox> places;
  for (const std::size_t i : r.before.targets[r.target].lines) places.push_back(r.before.lines[i].line.place);
  const std::vector<SignBoard> boards = sign_boards(out.image);
  auto board = board_under(boards, places);
  // What was read may be the edge of a board or anything else; where one text is asked for, the one board there is is meant.
  if (!board && !places.empty() && r.before.targets.size() == 1) board = board_under(boards, {});
  if (!board) return 0;
  const ReadLine across{std::move(*board), {}};
  return try_ways(r, {{&across, fix.expected}}, matching_faces(r.typesetter, across.line, "", fix.expected), out, fix);
}

void repair(const Repair& r, FixedPicture& out, TextFix& fix) {
  const TextTarget& target = r.before.targets[r.target];
  int tried = target.cer > kLikenessCer ? repair_on_board(r, out, fix) : 0;
  if (fix.cer_after == 0) return;
  if (!target.lines.empty() && !fix.changed) {
    std::vector<const ReadLine*> lines;
    for (const std::size_t i : target.lines) lines.push_back(&r.before.lines[i]);
    const std::vector<Part> parts = split(target.expected, lines);
    const Part& wrong = *std::find_if(parts.begin(), parts.end(), [](const Part& p) { return p.line->reading.text != p.text; });
    const std::string& read = wrong.line->reading.text;
    const std::vector<FaceMatch> faces = matching_faces(r.typesetter, wrong.line->line, character_error_rate(read, wrong.text) <= kTrustedCer ? read : "", target.expected);
    if (faces.empty()) fix.reason = "unfixable: no installed font has every letter";
    tried += try_ways(r, parts, faces, out, fix);
  }
  if (!fix.changed && fix.reason.empty()) fix.reason = tried == 0 ? "unfixable: there is no room for letters that can be read" : "unfixable: none of " + std::to_string(tried) + " ways to write it reads better than what is there";
}

}  // namespace

FixLimit fix_limit_named(const std::string& name) {
  std::string known;
  for (std::size_t i = 0; i < kFixLimits.size(); ++i) {
    if (name == kFixLimits[i]) return static_cast<FixLimit>(i);
    known += (i > 0 ? ", " : "") + std::string(kFixLimits[i]);
  }
  throw Error(ErrorCode::invalid_argument, "unknown limit '" + name.substr(0, 40) + "'; known: " + known);
}

FixedPicture fix_text(TextReader& reader, const Typesetter& typesetter, const Image& image, const std::vector<std::string>& expected, const FixOptions& options) {
  FixedPicture out{image, std::vector<std::uint8_t>(static_cast<std::size_t>(image.width) * image.height), {}};
  if (expected.empty()) return out;
  TextCheck check = check_text(reader, image, expected);
  for (std::size_t t = 0; t < expected.size(); ++t) {
    const TextTarget& target = check.targets[t];
    TextFix fix{.expected = expected[t], .read_before = target.read, .read_after = target.read, .cer_before = target.cer, .cer_after = target.cer};
    if (target.status == TextStatus::exact) fix.reason = "exact";
    else if (!target.lines.empty()) repair({reader, typesetter, check, t, options}, out, fix);
    else {
      repair_on_board({reader, typesetter, check, t, options}, out, fix);
      if (!fix.changed && options.limit == FixLimit::overlay) write_on_blank(reader, typesetter, check, t, {}, out, fix);
      else if (!fix.changed) fix.reason = "unfixable: nothing is written that could be replaced; the limit 'overlay' lets it be written on an empty place";
    }
    if (fix.changed && t + 1 < expected.size()) check = check_text(reader, out.image, expected);
    out.fixes.push_back(std::move(fix));
  }
  return out;
}

}  // namespace safelight
