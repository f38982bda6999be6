// upscale: a picture enlarged.
#include <fmt/format.h>

#include "apps/finish/commands.h"
#include "apps/finish/picture_file.h"
#include "common/base/error.h"
#include "common/base/io.h"

namespace safelight::app {
namespace {

struct Arguments {
  std::string image, out, method = "lanczos";
  UpscaleRequest request;
  int tile_px = TileOptions{}.side_px;
};

int upscale(const Arguments& a, const std::vector<UpscalerEntry>& table, bool json) {
  const std::unique_ptr<Upscaler> upscaler = open_upscaler(table, a.method, a.request);
  PictureFile file = open_picture(a.image);
  ProgressBar bar(!json);
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const auto progress = [&](int done, int all) { bar.show("upscale", static_cast<double>(done) / all, seconds() * (all - done) / done); };
  const Image large = upscaled(*upscaler, a.request.factor, file.image, {.side_px = a.tile_px, .progress = progress, .cancelled = stop_requested});
  file.text.entries["upscaled"] = fmt::format("{} x{} by safelight upscale", a.method, a.request.factor);
  write_file_atomic(a.out, encode_png(large, file.text));
  if (json) print_json({{"out", a.out}, {"method", a.method}, {"factor", a.request.factor}, {"tile_px", a.tile_px}, {"width", large.width}, {"height", large.height}, {"seconds", seconds()}});
  else print_line(fmt::format("{}  {}x{}", a.out, large.width, large.height));
  return 0;
}

}  // namespace

Command upscale_command(CLI::App& app, const Common& common, const std::vector<UpscalerEntry>& upscalers) {
  auto a = std::make_shared<Arguments>();
  std::string methods;
  for (const UpscalerEntry& e : upscalers) methods += fmt::format("{}{}: {}", methods.empty() ? "" : "; ", e.name, e.summary);
  CLI::App* c = app.add_subcommand("upscale", "Enlarges a picture");
  c->add_option("image", a->image, "a PNG file")->required();
  c->add_option("--factor", a->request.factor, "of both sides, 2 to 16; a model may know fewer")->capture_default_str();
  c->add_option("--method", a->method, methods)->capture_default_str();
  c->add_option("--model", a->request.model, "the model's directory, for methods that have one");
  c->add_option("--tile", a->tile_px, "side of the tiles, pixels of the small picture; 0: in one piece")->capture_default_str();
  c->add_option("--out", a->out, "PNG file to write")->required();
  return {c, [a, upscalers, &common] {
            catch_interrupts();
            return upscale(*a, upscalers, common.json);
          }};
}

}  // namespace safelight::app
