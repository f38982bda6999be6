#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "apps/lab/lab.h"
#include "common/base/processors.h"
#include "engine/tensor/device.h"
#include "engine/tensor/threads.h"
#include "engine/training/train.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string recipe, out, from, stages = "all", device = "cpu";
  std::vector<std::string> sharing;
  double minutes = 0;
  int threads = 0;
};

// "RECIPE" or "RECIPE=MODEL".
SharingText sharing_text(const std::string& told) {
  const auto at = told.find('=');
  return {Recipe::read(told.substr(0, at)), at == std::string::npos ? "" : told.substr(at + 1)};
}

int train_command(const Arguments& a, const Common& common, const PictureEncoder& encode) {
  const int threads = a.threads > 0 ? a.threads : processors();
  set_compute_threads(threads);
  catch_interrupts();
  ProgressBar bar(true);
  TrainOptions options;
  options.out = a.out;
  options.from = a.from;
  options.stages = a.stages;
  for (const std::string& told : a.sharing) options.sharing.push_back(sharing_text(told));
  options.device = device_named(a.device).str();
  if (a.minutes > 0) options.minutes = a.minutes;
  options.revision = SAFELIGHT_REVISION;
  options.stop = stop_requested;
  options.evaluate = [&](const std::filesystem::path& model, const std::string& stage, int64_t samples) {
    return look_at(model.string().find('/') == std::string::npos ? "./" / model : model, stage, samples, threads, encode);
  };
  options.progress = [&](const TrainProgress& p) {
    bar.show(p.stage, static_cast<double>(p.samples) / static_cast<double>(p.total), p.seconds_left,
             fmt::format("{} of {}, {:.0f} samples/s, loss {:.4f},", p.samples, p.total, p.samples_per_s, p.loss));
  };
  const TrainReport report = train(Recipe::read(a.recipe), options);
  const Json json = {{"finished", report.finished}, {"samples", report.samples}, {"model", report.model.string()}};
  if (common.json) print_json(json);
  else print_line(fmt::format("{}; samples {}; model in {}", report.finished ? "finished" : "stopped, call again to go on", Json(report.samples).dump(), report.model.string()));
  return 0;
}

}  // namespace

Command lab_train(CLI::App& parent, const Common& common, PictureEncoder encode) {
  auto a = std::make_shared<Arguments>();
  CLI::App* c = parent.add_subcommand("train", "Train an embedded model from a recipe; resumes where it was stopped");
  c->add_option("recipe", a->recipe, "TOML file, for example recipes/signs-nano.toml")->required();
  c->add_option("--out", a->out, "directory for checkpoints, log and the finished model")->required();
  c->add_option("--from", a->from, "start from this model's weights with fresh moments; the stages after denoiser: the finished model that they build on");
  c->add_option("--sharing", a->sharing, "RECIPE or RECIPE=MODEL: a text encoder that learns under the same denoiser, on a part of the same batches, and is exported as a model of its own; it starts from MODEL's, or from its own text stage");
  c->add_option("--minutes", a->minutes, "stop cleanly after this time")->check(CLI::NonNegativeNumber);
  c->add_option("--stages", a->stages, "all, or some of autoencoder, text, denoiser, distillation, latent_upscaler, cascade, separated by commas");
  c->add_option("--device", a->device, "cpu or cuda");
  c->add_option("--threads", a->threads, "threads to compute with; 0: one for each processor")->check(CLI::Range(0, 1024));
  return {c, [a, c, &common, encode] {
            inherit(*c, "--threads", a->threads);
            inherit(*c, "--device", a->device);
            return train_command(*a, common, encode);
          }};
}

}  // namespace safelight::app
