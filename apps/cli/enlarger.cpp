#include "apps/cli/enlarger.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/json_read.h"
#include "common/base/processors.h"
#include "engine/facade/thread_choice.h"
#include "engine/tensor/threads.h"

namespace safelight::app {
namespace {

// A directory or file as it is given, or a model that is known by name.
std::filesystem::path place_of(const std::string& model, Context& context) {
  if (std::filesystem::exists(model)) return model;
  const std::filesystem::path found = context.engine().find_model(model);
  if (!std::filesystem::exists(found)) throw Error(ErrorCode::not_found, "the upscaler '" + model + "' is not there; give its directory or file");
  return found;
}

Json description(const std::filesystem::path& file) {
  const Json json = std::filesystem::exists(file) ? read_json(file) : Json::object();
  return json.is_object() ? json : Json::object();
}

bool is_swin2sr(const std::filesystem::path& directory) {
  const Json config = description(directory / "config.json");
  const auto named = [](const Json& value, const char* wanted) { return value.is_string() && value.get<std::string>() == wanted; };
  const Json& classes = config.value("architectures", Json::array());
  return named(config.value("model_type", Json()), "swin2sr") ||
         (classes.is_array() && std::any_of(classes.begin(), classes.end(), [&](const Json& c) { return named(c, "Swin2SRForImageSuperResolution"); }));
}

bool is_kind(const std::filesystem::path& directory, const char* kind) { return is_upscaler(directory) && upscaler_kind(directory).kind == kind; }

}  // namespace

bool is_upscaler(const std::filesystem::path& model) { return description(model / "safelight.json").contains("upscaler"); }

UpscalerKind upscaler_kind(const std::filesystem::path& model) {
  const auto file = model / "safelight.json";
  const Json about = read_json(file);
  UpscalerKind kind;
  try {
    const Json& said = about.at("upscaler");
    kind = {said.at("kind").get<std::string>(), said.at("factor").get<int>(), said.at("low_px").get<int>()};
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "', upscaler: " + e.what());
  }
  const bool known = kind.kind == "latent" || kind.kind == "cascade";
  if (!known || kind.factor < 2 || kind.factor > 16 || kind.low_px < 1 || kind.low_px > 4096)
    throw Error(ErrorCode::corrupt_file, "'" + file.string() + "', upscaler: kind is latent or cascade, factor 2 to 16, low_px 1 to 4096");
  return kind;
}

std::unique_ptr<Enlarger> open_enlarger(const std::filesystem::path& model, int factor, const GenerateRequest& request, Context& context) {
  const UpscalerKind kind = upscaler_kind(model);
  if (kind.kind == "latent") return open_latent_enlarger(model, kind, factor, context);
  if (factor != kind.factor)
    throw Error(ErrorCode::invalid_argument, "this model enlarges by " + std::to_string(kind.factor) + ", not by " + std::to_string(factor));
  return open_diffusion_enlarger(request, context);
}

Image LateEnlarger::enlarged(const Image& small, const std::string& prompt, std::uint64_t seed) {
  if (!opened_) {
    GenerateRequest request;
    request.model = model_.string();
    opened_ = open_enlarger(model_, factor_ > 0 ? factor_ : upscaler_kind(model_).factor, request, context_);
  }
  return upscaled(*opened_, small, {.prompt = prompt, .seed = seed});
}

std::vector<UpscalerEntry> model_upscalers(Context& context) {
  const auto at = [&context](const std::string& model) { return place_of(model, context); };
  return {
      {.name = "esrgan", .summary = "ESRGAN, Real-ESRGAN and its compact networks: convolutions, from one safetensors file", .needs_model = true, .knows = [at](const std::string& m) { return is_esrgan(at(m)); },
       .files = "a safetensors file with conv_first and body, numbered model layers, or a compact body", .make = [at, &context](const UpscaleRequest& r) { return open_esrgan(at(r.model), context); }},
      {.name = "swin2sr", .summary = "Swin2SR transformer over windows of pixels", .needs_model = true, .knows = [at](const std::string& m) { return is_swin2sr(at(m)); },
       .files = "config.json with model_type swin2sr", .make = [at, &context](const UpscaleRequest& r) { return open_swin2sr(at(r.model), context); }},
      {.name = "latent", .summary = "from the latent of the small picture to that of the large one by a transformer, as signs-up-latent is trained", .needs_model = true,
       .knows = [at](const std::string& m) { return is_kind(at(m), "latent"); }, .files = "safelight.json with an upscaler of kind latent",
       .make = [at, &context](const UpscaleRequest& r) -> std::unique_ptr<Upscaler> {
         const UpscalerKind kind = upscaler_kind(at(r.model));
         return open_latent_enlarger(at(r.model), kind, r.factor.value_or(kind.factor), context);
       }},
      {.name = "diffusion", .summary = "drawn anew by a diffusion model that sees the small picture: signs-up, x4 upscalers in the diffusers layout", .needs_model = true,
       .knows = [at](const std::string& m) { return is_kind(at(m), "cascade") || std::filesystem::is_directory(at(m) / "low_res_scheduler"); },
       .files = "safelight.json with an upscaler of kind cascade, or a low_res_scheduler",
       .make = [at, &context](const UpscaleRequest& r) -> std::unique_ptr<Upscaler> {
         GenerateRequest request;
         request.model = at(r.model).string();
         if (request.model.find('/') == std::string::npos) request.model = "./" + request.model;
         request.steps = r.steps.value_or(0);
         request.picture.noise_level = r.noise_level.value_or(request.picture.noise_level);
         return open_diffusion_enlarger(request, context);
       }},
  };
}

void choose_threads(Context& context, bool small) {
  context.engine();  // which sets what --threads says
  if (context.threads > 0) return;
  set_compute_threads(small ? 1 : processors());
}

void choose_threads_for(Context& context, std::uint64_t weight_bytes) {
  choose_threads(context, thread_choice(weight_bytes, context.threads).of_a_run == 1);
}

Image filled_up(const Image& picture, int unit) {
  const auto whole = [&](int px) { return (px + unit - 1) / unit * unit; };
  Image out{whole(picture.width), whole(picture.height), picture.channels, {}};
  if (out.width == picture.width && out.height == picture.height) return picture;
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const auto from = picture.pixels.begin() + (static_cast<std::ptrdiff_t>(std::min(y, picture.height - 1)) * picture.width + std::min(x, picture.width - 1)) * picture.channels;
      out.pixels.insert(out.pixels.end(), from, from + picture.channels);
    }
  return out;
}

Image like(const Image& picture, Image enlarged) {
  if (picture.channels == enlarged.channels) return enlarged;
  Image gray{enlarged.width, enlarged.height, 1, {}};
  gray.pixels.reserve(enlarged.pixels.size() / 3);
  for (std::size_t i = 0; i + 2 < enlarged.pixels.size(); i += 3)
    gray.pixels.push_back(static_cast<std::uint8_t>((enlarged.pixels[i] + enlarged.pixels[i + 1] + enlarged.pixels[i + 2] + 1) / 3));
  return gray;
}

}  // namespace safelight::app
