// upscale: a picture enlarged.
#include <fmt/format.h>

#include "apps/console/seed_option.h"
#include "apps/finish/commands.h"
#include "apps/finish/picture_file.h"
#include "common/base/error.h"
#include "common/base/io.h"
#include "common/formats/picture_parameters.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string image, out, method;
  UpscaleRequest request;
  UpscaleOptions options;
};

// What ways that draw are told to show: --prompt, else the prompt that made the picture, where its parameters hold one.
std::string prompt_of(const Arguments& a, const PngText& text) {
  if (!a.options.prompt.empty()) return a.options.prompt;
  const auto parameters = picture_parameters(text, "'" + a.image + "'");
  return parameters ? parameters->request.prompt : "";
}

int upscale(const Arguments& a, const std::vector<UpscalerEntry>& table, bool json) {
  PictureFile file = open_picture(a.image);
  const std::string method = upscaler_entry(table, a.method, a.request).name;
  const std::unique_ptr<Upscaler> upscaler = open_upscaler(table, method, a.request);
  UpscaleOptions options = a.options;
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  Image large;
  {
    ProgressBar bar(!json);
    options.prompt = prompt_of(a, file.text);
    options.progress = [&](int done, int all) { bar.show("upscale", static_cast<double>(done) / all, seconds() * (all - done) / std::max(done, 1), fmt::format("{} of {},", done, all)); };
    options.cancelled = stop_requested;
    large = upscaled(*upscaler, file.image, options);
  }
  file.text.entries["upscaled"] = fmt::format("{} x{} by safelight upscale", method, upscaler->factor());
  write_file_atomic(a.out, encode_png(large, file.text));
  if (!json) return print_line(fmt::format("{}  {}x{}", a.out, large.width, large.height)), 0;
  print_json({{"out", a.out}, {"method", method}, {"model", a.request.model}, {"factor", upscaler->factor()}, {"width", large.width}, {"height", large.height}, {"seconds", seconds()}});
  return 0;
}

}  // namespace

Command upscale_command(CLI::App& app, const Common& common, const std::vector<UpscalerEntry>& upscalers) {
  auto a = std::make_shared<Arguments>();
  std::string methods;
  for (const UpscalerEntry& e : upscalers) methods += fmt::format("{}{}: {}", methods.empty() ? "" : "; ", e.name, e.summary);
  CLI::App* c = app.add_subcommand("upscale", "Enlarges a picture");
  c->add_option("image", a->image, "a PNG file")->required();
  c->add_option("--model", a->request.model, "directory or name of an upscaler; without it a method that needs none");
  c->add_option_function<int>("--factor", [a](const int& v) { a->request.factor = v; }, "of both sides, 2 to 16; without it what the model makes, or 2");
  c->add_option("--method", a->method, methods + "; without it the one that the model's files are of");
  c->add_option("--tile", a->options.side_px, "side of the tiles, pixels of the small picture; 0: in one piece; without it what suits the method");
  c->add_option("--overlap", a->options.overlap_px, "what a tile sees of its neighbours, pixels of the small picture; without it as far as the method needs");
  c->add_option("--prompt", a->options.prompt, "what is to be seen, for methods that draw; without it the prompt in the picture's parameters");
  c->add_option("--seed", a->options.seed, "of what methods that draw add")->check(is_seed())->capture_default_str();
  c->add_option_function<int>("--steps", [a](const int& v) { a->request.steps = v; }, "denoising steps of methods that draw; without it as the model recommends")->check(CLI::Range(1, 1000));
  c->add_option_function<int>("--noise-level", [a](const int& v) { a->request.noise_level = v; }, "noise on the small picture for methods that draw, in training steps");
  c->add_option("--out", a->out, "PNG file to write")->required();
  return {c, [a, upscalers, &common] {
            catch_interrupts();
            return upscale(*a, upscalers, common.json);
          }};
}

}  // namespace safelight::app
