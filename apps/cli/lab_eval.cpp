#include <fmt/format.h>

#include <cmath>

#include "apps/cli/context.h"
#include "common/base/io.h"
#include "common/formats/png.h"
#include "engine/training/captions.h"
#include "engine/training/scene_checker.h"

namespace safelight::app {
namespace {

struct Score {
  int right = 0, total = 0;
  Json json() const {  // with the 95 % Wilson interval
    const double n = std::max(total, 1), p = right / n, z = 1.96, d = 1 + z * z / n;
    const double centre = (p + z * z / (2 * n)) / d, half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d;
    return {{"right", right}, {"of", total}, {"rate", p}, {"low", centre - half}, {"high", centre + half}};
  }
};

struct Prompt {
  std::string text;
  bool held_out = false;
};

std::vector<Prompt> single_prompts(int n) {
  std::vector<Prompt> out;
  for (int i = 0; i < n; ++i) {  // walks all pairs before it repeats one
    const int pair = (i * 31) % (kShapes * kColours);
    const auto shape = static_cast<Shape>(pair % kShapes);
    const auto colour = static_cast<Colour>(pair / kShapes);
    out.push_back({std::string("a ") + name(colour) + " " + name(shape), held_out(shape, colour)});
  }
  return out;
}

std::vector<Prompt> pair_prompts(int n) {
  std::vector<Prompt> out;
  const SceneOptions options;
  for (std::uint64_t i = 0; static_cast<int>(out.size()) < n; ++i) {
    const Scene s = make_scene(options, 0xE7A1, i);
    if (s.objects.size() != 2) continue;
    const auto& [a, b] = std::pair{s.objects[0], s.objects[1]};
    const bool wide = std::abs(a.x - b.x) >= std::abs(a.y - b.y);
    const char* relation = wide ? (a.x < b.x ? "left of" : "right of") : (a.y < b.y ? "above" : "below");
    out.push_back({fmt::format("a {} {} {} a {} {}", name(a.colour), name(a.shape), relation, name(b.colour), name(b.shape)), false});
  }
  return out;
}

// Unselected pictures in prompt order, eight a row.
Image sheet_of(const std::vector<Image>& images) {
  const int side = images.front().width, columns = 8, rows = (static_cast<int>(images.size()) + columns - 1) / columns, gap = 4;
  Image sheet{.width = columns * (side + gap) + gap, .height = rows * (side + gap) + gap, .channels = 3, .pixels = {}};
  sheet.pixels.assign(static_cast<std::size_t>(sheet.width * sheet.height * 3), 40);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const int x0 = gap + static_cast<int>(i) % columns * (side + gap), y0 = gap + static_cast<int>(i) / columns * (side + gap);
    for (int y = 0; y < side; ++y)
      std::copy_n(images[i].pixels.begin() + y * side * 3, side * 3, sheet.pixels.begin() + ((y0 + y) * sheet.width + x0) * 3);
  }
  return sheet;
}

struct Arguments {
  std::string model = "signs-nano", sheet;
  int count = 100;
};

int eval(const Arguments& a, Context& context) {
  catch_interrupts();
  ProgressBar bar(true);
  std::map<std::string, Score> scores;
  std::vector<Image> shown;
  Json wrong = Json::array();
  int done = 0;
  for (const auto& [task, prompts] : {std::pair{std::string("single"), single_prompts(a.count)}, {std::string("pair"), pair_prompts(a.count)}})
    for (std::size_t i = 0; i < prompts.size() && !stop_requested(); ++i) {
      GenerateRequest request;
      request.model = a.model;
      request.prompt = prompts[i].text;
      request.seed = 1000 + i;
      request.probes = "none";
      const Image image = context.engine().generate(request, {}, {}, {}).result.images.front();
      const CheckResult r = check_image(image.pixels.data(), image.width, parse_prompt(prompts[i].text));
      const auto count = [&](const std::string& key, bool right) { scores[key].right += right, ++scores[key].total; };
      if (task == "single") {
        count("single: shape and colour", r.shape_right && r.colour_right);
        count(prompts[i].held_out ? "single: shape and colour, held out" : "single: shape and colour, seen", r.shape_right && r.colour_right);
        count("single: shape", r.shape_right);
        count("single: colour", r.colour_right);
        if (shown.size() < 64) shown.push_back(image);
      } else {
        count("pair: both objects", r.shape_right && r.colour_right && r.count_right);
        count("pair: relation", r.relation_right);
        count("pair: all", r.all());
      }
      if (!r.reason.empty()) wrong.push_back({{"prompt", prompts[i].text}, {"seed", request.seed}, {"reason", r.reason}});
      bar.show("evaluating", static_cast<double>(++done) / (2.0 * a.count), 0, prompts[i].text + ",");
    }
  if (!a.sheet.empty() && !shown.empty()) write_file_atomic(a.sheet, encode_png(sheet_of(shown), {}));
  Json board = Json::object();
  for (const auto& [task, score] : scores) board[task] = score.json();
  if (context.common.json) print_json({{"model", a.model}, {"scores", board}, {"wrong", wrong}});
  else
    for (const auto& [task, s] : board.items())
      print_line(fmt::format("{:<36} {:>4} of {:<4} {:.2f}  ({:.2f} to {:.2f})", task, s["right"].get<int>(), s["of"].get<int>(), s["rate"].get<double>(), s["low"].get<double>(), s["high"].get<double>()));
  return 0;
}

}  // namespace

Command lab_eval(CLI::App& lab, Context& context) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = lab.add_subcommand("eval", "Score an embedded model's pictures with the scene checker");
  c->add_option("model", a->model, "name or directory");
  c->add_option("--count", a->count, "prompts per task")->check(CLI::Range(1, 100'000));
  c->add_option("--sheet", a->sheet, "write the first 64 pictures, unselected, to this PNG");
  return {c, [a, &context] { return eval(*a, context); }};
}

}  // namespace safelight::app
