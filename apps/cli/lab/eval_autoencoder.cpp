#include "apps/cli/lab/eval_autoencoder.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "apps/cli/enlarger.h"
#include "apps/cli/lab/scene_pictures.h"
#include "apps/lab/picture_grid.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/json_read.h"
#include "common/base/memory.h"
#include "common/formats/png.h"
#include "common/measure/edge_statistics.h"
#include "common/measure/picture_difference.h"
#include "engine/families/model_files.h"
#include "engine/families/parts.h"
#include "engine/pipelines/pictures.h"
#include "engine/training/recipe.h"

namespace safelight::app {
namespace {

constexpr std::uint64_t kSeed = 0xAE5CE;   // of the scenes; no recipe's
constexpr int kSheetScenes = 32;           // the first ones, unselected
constexpr int kSheetColumns = 8;

class Evaluation {
 public:
  Evaluation(const std::filesystem::path& model, int scenes, Context& context)
      : world_(half_of_signs(world_of(model))), autoencoder_(component_of(model / "vae", "diffusion_pytorch_model"), LoadOptions{}) {
    const Json about = read_json(model / "safelight.json");
    if (!about.contains("image_px") || !about["image_px"].is_number_integer() || about["image_px"].get<int>() % autoencoder_.downscale() != 0)
      throw Error(ErrorCode::corrupt_file, "'" + (model / "safelight.json").string() + "': image_px must be a multiple of the autoencoder's factor, " + std::to_string(autoencoder_.downscale()));
    choose_threads_for(context, autoencoder_.bytes());
    scores_.image_px = about["image_px"].get<int>();
    scores_.latent_channels = static_cast<int>(autoencoder_.latent_channels());
    scores_.downscale = static_cast<int>(autoencoder_.downscale());
    scores_.pixels_per_number = 3.0 * scores_.downscale * scores_.downscale / scores_.latent_channels;
    scores_.weight_bytes = autoencoder_.bytes();
    scores_.of_scenes = scenes;
  }

  void run(bool with_sheet) {
    at::NoGradGuard no_grad;
    ProgressBar bar(true);
    const auto start = Clock::now();
    decoded(rendered(make_scene(world_, kSeed, 0), scores_.image_px), nullptr);   // the first time costs more
    for (int i = 0; i < scores_.of_scenes && !stop_requested(); ++i) {
      look_at(make_scene(world_, kSeed, static_cast<std::uint64_t>(i)), with_sheet && i < kSheetScenes);
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      bar.show("evaluating", static_cast<double>(i + 1) / scores_.of_scenes, seconds / (i + 1) * (scores_.of_scenes - i - 1), fmt::format("{} of {},", i + 1, scores_.of_scenes));
    }
    scores_.peak_bytes = peak_resident_bytes();
  }

  const AutoencoderScores& scores() const { return scores_; }
  const std::vector<Image>& sheet() const { return sheet_; }

 private:
  using Clock = std::chrono::steady_clock;

  Image decoded(const Image& picture, AutoencoderScores* timed) const {
    const auto ms = [](Clock::time_point from, Clock::time_point to) { return std::chrono::duration<double, std::milli>(to - from).count(); };
    const at::Tensor pixels = tensor_of(picture);
    const auto start = Clock::now();
    const at::Tensor latent = autoencoder_.encode(pixels, {}, {});
    const auto between = Clock::now();
    const at::Tensor again = autoencoder_.decode(latent, {});
    if (timed) timed->encode_ms.add(ms(start, between)), timed->decode_ms.add(ms(between, Clock::now()));
    return image_of(again[0]);
  }

  void look_at(const Scene& scene, bool on_sheet) {
    const Image truth = rendered(scene, scores_.image_px), made = decoded(truth, &scores_);
    scores_.psnr.add(psnr_db(made, truth));
    scores_.difference.add(gradient_difference(made, truth));
    const auto jagged = edge_jaggedness_px(made), jagged_truth = edge_jaggedness_px(truth);
    if (jagged && jagged_truth) scores_.aliasing.add(*jagged), scores_.aliasing_of_truth.add(*jagged_truth);
    if (scene.sign) scores_.read.add(reads_sign(made, scene.sign->text));
    ++scores_.scenes;
    if (on_sheet) sheet_.push_back(truth), sheet_.push_back(made);
  }

  SceneOptions world_;
  KlAutoencoder autoencoder_;
  AutoencoderScores scores_;
  std::vector<Image> sheet_;   // scene, decoded, scene, ...
};

std::vector<std::string> table(const AutoencoderScores& s) {
  const auto [low, high] = s.read.interval();
  return {fmt::format("{} x {} pixels, latents of {} channels, one cell for {} x {} pixels: {:.1f} colour values for each number", s.image_px, s.image_px, s.latent_channels, s.downscale, s.downscale, s.pixels_per_number),
          fmt::format("PSNR                 {} dB over {} scenes", shown(s.psnr, 2), s.psnr.of),
          fmt::format("gradient difference  {}", shown(s.difference, 4)),
          fmt::format("aliasing             {} px; of the scenes themselves {}", shown(s.aliasing, 3), shown(s.aliasing_of_truth, 3)),
          fmt::format("signs read exactly   {} of {} ({:.2f}-{:.2f})", s.read.right, s.read.of, low, high),
          fmt::format("time                 encode {} ms, decode {} ms", shown(s.encode_ms, 1), shown(s.decode_ms, 1)),
          fmt::format("memory               {:.1f} MB of weights; the process had {:.0f} MB at most", static_cast<double>(s.weight_bytes) / 1e6, static_cast<double>(s.peak_bytes) / 1e6)};
}

}  // namespace

Json AutoencoderScores::json() const {
  return {{"image_px", image_px}, {"latent_channels", latent_channels}, {"downscale", downscale}, {"pixels_per_number", pixels_per_number}, {"weight_bytes", weight_bytes},
          {"scenes", scenes}, {"finished", scenes == of_scenes}, {"psnr_db", psnr.json()}, {"gradient_difference", difference.json()}, {"aliasing_px", aliasing.json()},
          {"aliasing_of_truth_px", aliasing_of_truth.json()}, {"signs_read", read.json()}, {"encode_ms", encode_ms.json()}, {"decode_ms", decode_ms.json()}, {"peak_bytes", peak_bytes}};
}

AutoencoderScores autoencoder_scores(const std::filesystem::path& model, int scenes, Context& context) {
  Evaluation evaluation(model, scenes, context);
  evaluation.run(false);
  return evaluation.scores();
}

bool is_autoencoder(const std::filesystem::path& model) {
  const auto holds = [&](const char* part) { return std::filesystem::is_directory(model / part); };
  return holds("vae") && !holds("unet") && !holds("transformer") && !holds("latent_upscaler");
}

int evaluate_autoencoder(const std::filesystem::path& model, int scenes, const std::filesystem::path& out, Context& context) {
  catch_interrupts();
  Evaluation evaluation(model, scenes, context);
  evaluation.run(!out.empty());
  const AutoencoderScores& scores = evaluation.scores();
  if (scores.scenes < scores.of_scenes) note(fmt::format("stopped after {} of {} scenes", scores.scenes, scores.of_scenes));
  if (!out.empty()) {
    std::filesystem::create_directories(out);
    write_file_atomic(out / "board.json", scores.json().dump(2) + "\n");
    std::vector<const Image*> pictures;
    for (const Image& image : evaluation.sheet()) pictures.push_back(&image);
    if (!pictures.empty()) write_file_atomic(out / "sheet.png", encode_png(picture_grid(pictures, kSheetColumns), {}));
  }
  if (context.common.json) print_json(scores.json());
  else
    for (const std::string& line : table(scores)) print_line(line);
  return 0;
}

}  // namespace safelight::app
