// text check, text fix: what a picture says against what it should say.
#include <fmt/format.h>

#include <algorithm>
#include <numbers>

#include "apps/console/region.h"
#include "apps/finish/commands.h"
#include "apps/finish/picture_file.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "common/formats/picture_parameters.h"
#include "finish/typography/plan_ahead.h"
#include "finish/typography/text_fix.h"
#include "finish/typography/text_metric.h"

namespace safelight::app {
namespace {

constexpr std::size_t kLongestText = 200, kMostTexts = 16;

struct Arguments {
  std::string image, out, limit = kFixLimits[static_cast<std::size_t>(FixLimit::contrast)];
  std::vector<std::string> texts, regions;
  bool plan_ahead = false;
};

struct Opened : PictureFile {
  std::vector<std::string> intended;
};

// `what`: the text in an error, "--text" or where else it comes from.
std::string intended_text(const std::string& given, const std::string& what) {
  const std::string text = collapse_blanks(given);
  if (text.empty()) throw Error(ErrorCode::invalid_argument, what + " is empty; give the words that the picture should show, or leave --text out to use the quotes of its prompt");
  if (text.size() > kLongestText) throw Error(ErrorCode::invalid_argument, fmt::format("{} has {} bytes; a text on a picture may have {}", what, text.size(), kLongestText));
  if (as_utf8(text) != text) throw Error(ErrorCode::invalid_argument, what + " is not UTF-8");
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) throw Error(ErrorCode::invalid_argument, what + " holds control characters; give one line of words");
  return text;
}

// The picture, and what it should say: --text, else the quotes of the prompt in its parameters.
Opened open(const Arguments& a) {
  Opened o{open_picture(a.image), {}};
  const std::string where = "'" + a.image + "'";
  std::vector<std::string> texts = a.texts;
  if (texts.empty())
    if (const auto parameters = picture_parameters(o.text, where)) texts = quoted_texts(parameters->request.prompt);
  if (texts.size() > kMostTexts) throw Error(ErrorCode::invalid_argument, fmt::format("{} texts; at most {} are looked for in one picture", texts.size(), kMostTexts));
  for (const std::string& text : texts) o.intended.push_back(intended_text(text, a.texts.empty() ? "a quote in the prompt of " + where : "--text"));
  return o;
}

// Throws Error(unsupported) for a text that no font can write as a whole, and names the letters that none has.
void require_letters(const Typesetter& typesetter, const std::string& text) {
  const auto writable = [&](const std::string& t) { return std::any_of(typesetter.faces().begin(), typesetter.faces().end(), [&](const Face& f) { return typesetter.can_write(t, f); }); };
  if (writable(text)) return;
  std::string missing;
  for (std::size_t at = 0, end = 0; at < text.size(); at = end) {
    for (end = at + 1; end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80;) ++end;
    if (const std::string letter = text.substr(at, end - at); letter != " " && !writable(letter)) missing += (missing.empty() ? "'" : ", '") + letter + "'";
  }
  throw Error(ErrorCode::unsupported, "no installed font can write '" + text + "'" + (missing.empty() ? " as a whole" : ": none has " + missing) + "; fonts that are used: " + typesetter.faces()[0].name() + " and " +
                                          std::to_string(typesetter.faces().size() - 1) + " others of DejaVu, Liberation, Roboto and Noto");
}

Json box_json(const Box& b) { return {b.x, b.y, b.width, b.height}; }

int check(const Arguments& a, bool json) {
  const Opened o = open(a);
  TextReader reader;
  const TextCheck result = check_text(reader, o.image, o.intended);
  Json out = {{"reader", reader.id()}, {"exact", result.exact()}, {"mean_cer", result.mean_cer()}, {"targets", Json::array()}, {"lines", Json::array()}, {"extra", result.extra}};
  for (const ReadLine& l : result.lines)
    out["lines"].push_back({{"text", l.reading.text}, {"confidence", l.reading.confidence}, {"box", box_json(bounds(l.line.place, 0))}, {"angle_deg", l.line.place.angle * 180 / std::numbers::pi}});
  for (const TextTarget& t : result.targets)
    out["targets"].push_back({{"expected", t.expected}, {"status", name(t.status)}, {"read", t.read}, {"cer", t.cer}, {"wer", word_error_rate(t.read, t.expected)}, {"similarity", text_similarity(t.read, t.expected)}, {"lines", t.lines}});
  if (json) {
    print_json(out);
    return 0;
  }
  for (const TextTarget& t : result.targets) print_line(fmt::format("{:<8} cer {:.2f}  \"{}\"  read \"{}\"", name(t.status), t.cer, printable(t.expected), printable(t.read)));
  for (const std::size_t i : result.extra) print_line(fmt::format("{:<8} \"{}\"  confidence {:.2f}", result.targets.empty() ? "read" : "extra", printable(result.lines[i].reading.text), result.lines[i].reading.confidence));
  if (result.targets.empty() && result.lines.empty()) print_line("nothing is written that can be read");
  return 0;
}

Json fix_json(const TextFix& f) {
  Json out = {{"expected", f.expected}, {"read_before", f.read_before}, {"read_after", f.read_after}, {"cer_before", f.cer_before}, {"cer_after", f.cer_after},
              {"changed", f.changed}, {"exact", f.cer_after == 0}, {"reason", f.reason}};
  if (!f.changed) return out;
  Json boxes = Json::array();
  for (const Box& b : f.boxes) boxes.push_back(box_json(b));
  out.update({{"method", f.method}, {"font", f.font}, {"font_file", f.font_file}, {"font_sha256", sha256_file(f.font_file)}, {"likeness", f.likeness}, {"boxes", boxes}});
  return out;
}

int fix(const Arguments& a, bool json) {
  const FixLimit limit = fix_limit_named(a.limit);
  std::vector<Box> regions;
  for (const std::string& told : a.regions) {
    const PixelRegion r = region_of(told);
    regions.push_back({r.x, r.y, r.width, r.height});
  }
  if (!regions.empty() && !a.plan_ahead) throw Error(ErrorCode::invalid_argument, "--region belongs to --plan-ahead; a repair writes where the wrong text stands");
  Opened o = open(a);
  TextReader reader;
  const Typesetter typesetter;
  for (const std::string& text : o.intended) require_letters(typesetter, text);
  const FixedPicture result = a.plan_ahead ? write_text(reader, typesetter, o.image, o.intended, regions) : fix_text(reader, typesetter, o.image, o.intended, {.limit = limit});
  const bool changed = std::any_of(result.fixes.begin(), result.fixes.end(), [](const TextFix& f) { return f.changed; });
  Json fixes = Json::array();
  for (const TextFix& f : result.fixes) {
    fixes.push_back(fix_json(f));
    if (!json) print_line(fmt::format("\"{}\"  read \"{}\" -> \"{}\"  cer {:.2f} -> {:.2f}  {}", printable(f.expected), printable(f.read_before), printable(f.read_after), f.cer_before, f.cer_after, f.changed ? f.method + ", " + f.font : f.reason));
  }
  if (changed) o.text.entries["typography"] = "text written anew by safelight text fix";
  write_file_atomic(a.out, changed ? encode_png(result.image, o.text) : o.bytes);  // nothing to change: the very file
  const std::string mask(result.mask.begin(), result.mask.end());
  const auto masked = std::count(result.mask.begin(), result.mask.end(), std::uint8_t{255});
  if (json) print_json({{"out", a.out}, {"changed", changed}, {"reader", reader.id()}, {"mask_pixels", masked}, {"mask_sha256", sha256_hex(mask)}, {"targets", fixes}});
  else print_line(a.out + (changed ? "" : "  (nothing changed)"));
  return 0;
}

}  // namespace

Command text_command(CLI::App& app, const Common& common) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = app.add_subcommand("text", "What a picture says, read without a dictionary, and repaired");
  c->require_subcommand(1);
  CLI::App* checker = c->add_subcommand("check", "Reads the text and compares it with what was meant");
  CLI::App* fixer = c->add_subcommand("fix", "Writes wrong text anew; changes nothing else");
  for (CLI::App* s : {checker, fixer}) {
    s->add_option("image", a->image, "a PNG file")->required();
    s->add_option("--text", a->texts, "what the picture should say, once per sign; else the quotes of the prompt in its parameters")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  fixer->add_option("--out", a->out, "PNG file to write")->required();
  fixer->add_option("--limit", a->limit, "how far a repair may go: " + fmt::format("{}", fmt::join(kFixLimits, ", ")));
  fixer->add_flag("--plan-ahead", a->plan_ahead, "the picture was made with an empty place for the text: writes it there");
  fixer->add_option("--region", a->regions, "with --plan-ahead: the place, x,y,width,height, once per text; else the emptiest one")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return {c, [a, fixer, &common] { return fixer->parsed() ? fix(*a, common.json) : check(*a, common.json); }};
}

}  // namespace safelight::app
