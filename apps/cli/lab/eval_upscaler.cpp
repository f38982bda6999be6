#include "apps/cli/lab/eval_upscaler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "apps/cli/enlarger.h"
#include "apps/cli/lab/eval_board.h"
#include "apps/cli/lab/scene_pictures.h"
#include "apps/lab/picture_grid.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/formats/png.h"
#include "common/measure/lanczos.h"
#include "common/measure/picture_difference.h"
#include "engine/training/recipe.h"
#include "engine/training/scenes/captions.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kSeed = 0x5CA1E;   // of the scenes; no recipe's
constexpr std::uint64_t kEnoughScenes = 1000;
constexpr int kSheetScenes = 16;           // of each group: the first ones, unselected

// What has to be beaten is Lanczos on what the upscaler sees; of a latent that is the picture it decodes to, and Lanczos on the small
// picture itself, which no model that begins at latents has, is told beside it. The autoencoder's round trip of the large picture,
// and that picture itself, are what can be reached at most.
enum Method { upscaled, lanczos, lanczos_exact, autoencoder, truth, kMethods };
constexpr std::array<const char*, kMethods> kMethodNames = {"upscaler", "lanczos", "lanczos_exact", "autoencoder", "truth"};
constexpr std::array kOnSheet = {lanczos, upscaled, autoencoder, truth};

struct Scores {
  Mean psnr, difference;   // against the large picture
  Rate read;               // signs whose letters are read exactly
  Json json() const { return {{"psnr_db", psnr.json()}, {"gradient_difference", difference.json()}, {"signs_read", read.json()}}; }
};

struct Group {
  const char* name;
  SceneOptions world;
  std::array<Scores, kMethods> scores;
  Mean psnr_gain, difference_drop;   // of the upscaler over Lanczos, picture by picture
  Json json() const {
    Json json = Json::object();
    for (int m = 0; m < kMethods; ++m) json[kMethodNames[static_cast<std::size_t>(m)]] = scores[static_cast<std::size_t>(m)].json();
    json["against_lanczos"] = {{"psnr_gain_db", psnr_gain.json()}, {"difference_drop", difference_drop.json()}};
    return json;
  }
};

bool holds_held_out(const Scene& scene) {
  const bool object = std::any_of(scene.objects.begin(), scene.objects.end(), [](const SceneObject& o) { return held_out(o.shape, o.colour); });
  return object || (scene.sign && held_out(scene.sign->text));
}

// False for the smallest worlds, of which nothing was held out.
bool shows_held_out(const SceneOptions& world) {
  for (std::uint64_t i = 0; i < kEnoughScenes; ++i)
    if (holds_held_out(make_scene(world, kSeed, i))) return true;
  return false;
}

class Evaluation {
 public:
  Evaluation(const UpscalerEvaluation& e, Context& context)
      : e_(e), kind_(upscaler_kind(e.model)), factor_(e.factor > 0 ? e.factor : kind_.factor), low_px_(e.low_px > 0 ? e.low_px : kind_.low_px),
        enlarger_(open_enlarger(e.model, factor_, e.request, context)) {
    SceneOptions world = half_of_signs(world_of(e.model));
    groups_.push_back({.name = "new", .world = world, .scores = {}, .psnr_gain = {}, .difference_drop = {}});
    world.include_held_out = true;
    if (shows_held_out(world)) groups_.push_back({.name = "held_out", .world = world, .scores = {}, .psnr_gain = {}, .difference_drop = {}});
  }

  void run() {
    try {
      for (Group& group : groups_) {
        std::uint64_t index = 0;
        for (int i = 0; i < e_.count && !stop_requested(); ++i, ++index) {
          Scene scene = make_scene(group.world, kSeed, index);
          while (group.world.include_held_out && !holds_held_out(scene)) scene = make_scene(group.world, kSeed, ++index);
          look_at(group, scene, index);
        }
      }
    } catch (const Error& e) {
      if (e.code() != ErrorCode::cancelled) throw;  // what was reached is reported
    }
  }

  bool finished() const { return done_ == total(); }

  Json json() const {
    Json groups = Json::object();
    for (const Group& group : groups_) groups[group.name] = group.json();
    return {{"model", e_.model.filename().string()}, {"upscaler", kind_.kind}, {"factor", factor_}, {"low_px", low_px_}, {"settings", enlarger_->settings()},
            {"scenes_per_group", e_.count}, {"pictures", done_}, {"of_pictures", total()}, {"finished", finished()}, {"seconds", seconds()},
            {"ms_per_picture", upscaler_ms_ / std::max(done_, 1)}, {"groups", groups}};
  }

  std::vector<std::string> table() const {
    std::vector<std::string> out = {fmt::format("{} to {} pixels a side", low_px_, low_px_ * factor_),
                                    fmt::format("{:<10}{:<15}{:<18}{:<23}{}", "scenes", "", "PSNR, dB", "gradient difference", "signs read exactly")};
    for (const Group& g : groups_) {
      for (int m = 0; m < kMethods; ++m) {
        const Scores& s = g.scores[static_cast<std::size_t>(m)];
        const char* method = kMethodNames[static_cast<std::size_t>(m)];
        out.push_back(fmt::format("{:<10}{:<15}{:<18}{:<23}{}", g.name, method, shown(s.psnr, 2), shown(s.difference, 4), s.read.of > 0 ? fmt::format("{} of {}", shown(s.read), s.read.of) : "-"));
      }
      out.push_back(fmt::format("{:<10}{:<15}{:<18}{}", g.name, "gain", shown(g.psnr_gain, 2), shown(g.difference_drop, 4)));
    }
    return out;
  }

  void write(const std::filesystem::path& out) const {
    std::filesystem::create_directories(out);
    write_file_atomic(out / "board.json", json().dump(2) + "\n");
    write_file_atomic(out / "pictures.jsonl", lines_);
    std::vector<const Image*> pictures;
    for (const Image& image : sheet_) pictures.push_back(&image);
    if (!pictures.empty()) write_file_atomic(out / "sheet.png", encode_png(picture_grid(pictures, 2 * static_cast<int>(kOnSheet.size())), {}));
  }

 private:
  int total() const { return e_.count * static_cast<int>(groups_.size()); }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  void look_at(Group& group, const Scene& scene, std::uint64_t index) {
    const int side = low_px_ * factor_;
    const Image small = rendered(scene, low_px_), wanted = rendered(scene, side);
    const std::string prompt = caption(scene, index).text;
    const auto before = std::chrono::steady_clock::now();
    std::array<Image, kMethods> made;
    made[upscaled] = safelight::upscaled(*enlarger_, small, {.prompt = prompt, .seed = index});
    upscaler_ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count();
    made[lanczos] = lanczos_resized(enlarger_->seen(small), side, side);
    made[lanczos_exact] = lanczos_resized(small, side, side);
    made[autoencoder] = enlarger_->round_trip(wanted);
    made[truth] = wanted;
    score(group, scene, prompt, made);
    if (group.psnr_gain.of <= kSheetScenes)
      for (const Method m : kOnSheet) sheet_.push_back(std::move(made[m]));
    ++done_;
    const double left = seconds() / done_ * (total() - done_);
    bar_.show("evaluating", static_cast<double>(done_) / total(), left, fmt::format("{}, {} of {},", group.name, done_, total()));
  }

  void score(Group& group, const Scene& scene, const std::string& prompt, const std::array<Image, kMethods>& made) {
    Json line = {{"group", group.name}, {"prompt", prompt}};
    std::array<double, kMethods> psnr{}, difference{};
    for (std::size_t m = 0; m < kMethods; ++m) {
      Scores& s = group.scores[m];
      Json one = Json::object();
      if (m != truth) {
        s.psnr.add(psnr[m] = psnr_db(made[m], made[truth]));
        s.difference.add(difference[m] = gradient_difference(made[m], made[truth]));
        one = {{"psnr_db", psnr[m]}, {"gradient_difference", difference[m]}};
      }
      if (scene.sign) {
        const bool read = reads_sign(made[m], scene.sign->text);
        s.read.add(read);
        one["sign_read"] = read;
      }
      line[kMethodNames[m]] = one;
    }
    group.psnr_gain.add(psnr[upscaled] - psnr[lanczos]);
    group.difference_drop.add(difference[lanczos] - difference[upscaled]);
    lines_ += line.dump() + "\n";
  }

  const UpscalerEvaluation& e_;
  UpscalerKind kind_;
  int factor_, low_px_;
  std::unique_ptr<Enlarger> enlarger_;
  std::vector<Group> groups_;
  int done_ = 0;
  double upscaler_ms_ = 0;
  std::string lines_;
  std::vector<Image> sheet_;   // as many a scene as kOnSheet names, two scenes a row
  ProgressBar bar_{true};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

int evaluate_upscaler(const UpscalerEvaluation& e, Context& context) {
  catch_interrupts();
  Json json;
  std::vector<std::string> table;
  {
    Evaluation evaluation(e, context);
    evaluation.run();
    if (!e.out.empty()) evaluation.write(e.out);
    json = evaluation.json();
    table = evaluation.table();
  }
  if (!json["finished"].get<bool>()) note(fmt::format("stopped after {} of {} pictures", json["pictures"].get<int>(), json["of_pictures"].get<int>()));
  if (context.common.json) print_json(json);
  else
    for (const std::string& line : table) print_line(line);
  return 0;
}

}  // namespace safelight::app
