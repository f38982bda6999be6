#include "apps/cli/diagnose_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "bridge/diagnosis.h"
#include "common/api/json.h"
#include "common/base/io.h"
#include "common/formats/png.h"
#include "common/measure/image_statistics.h"
#include "common/measure/picture_difference.h"

namespace safelight::app {
namespace {

// Why the picture cannot be made again; empty when it can.
std::string obstacle(Context& context, const std::optional<PictureParameters>& p) {
  if (!p) return "the picture holds no generation parameters that are known (of Safelight, AUTOMATIC1111, ComfyUI or stable-diffusion.cpp)";
  if (p->request.model.empty()) return "the picture does not name its model";
  try {
    context.engine().find_model(p->request.model);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

// What pixels alone tell, without a baseline to compare with: next to nothing, and that is said.
Verdict verdict_of_pixels(const Image& image, const std::string& why) {
  Verdict v;
  v.undetermined = true;
  const ImageStatistics s = image_statistics(image);
  const bool uniform = std::adjacent_find(image.pixels.begin(), image.pixels.end(), std::not_equal_to<>()) == image.pixels.end();
  v.sentence = uniform ? fmt::format("Every pixel is {}: something replaced or lost the picture, but pixels do not tell what.", image.pixels.empty() ? 0 : image.pixels.front())
                       : fmt::format("Pixels alone do not single out a subsystem (noise {:.2f} and sharpness {:.1f} of 255, {:.1f} % of samples clipped).", s.noise, s.sharpness,
                                     100 * (s.clip_low + s.clip_high));
  v.notes = {"not rerun: " + why, "without a run there are no latents, no attention and no steps: prompt, text encoder, attention, guidance, scheduler and denoiser cannot be told apart",
             "without the model's baseline no artifact score can be given; the pixel statistics are measured, not judged"};
  if (uniform) v.notes.push_back("`safelight list signatures --search \"black image\"` lists known failures that look like this");
  return v;
}

// The settings run again with the model at hand.
void rerun(Context& context, const Image& picture, const DiagnoseOptions& options, const DiagnoseProgress& progress, PictureDiagnosis& out) {
  out.rerun = context.new_run_directory();
  GenerateRequest request = out.parameters->request;
  request.count = 1;
  RunCalls calls;
  if (progress) calls.progress = [&](const RunProgress& p) { progress("rerunning", p.total > 0 ? static_cast<double>(p.step) / p.total : 0); };
  const FinishedRun run = context.engine().generate(request, {}, out.rerun, calls);
  if (!run.result.images.empty() && comparable(picture, run.result.images.front())) out.difference = mean_difference(picture, run.result.images.front());
  DiagnoseOptions with_picture = options;
  if (with_picture.looks) with_picture.looks->picture = picture;
  out.verdict = diagnose_run(context.engine(), out.rerun, with_picture, progress);
  if (!out.difference) out.verdict.notes.push_back("the rerun has another size than the picture; the verdict is of the settings, not of this picture");
  else if (*out.difference >= kSamePicture)
    out.verdict.notes.push_back(fmt::format("the rerun is not the same picture (mean difference {:.1f} of 255): the verdict is of the settings, not of this picture", *out.difference));
}

}  // namespace

PictureDiagnosis diagnose_picture(Context& context, const std::filesystem::path& file, const DiagnoseOptions& options, const DiagnoseProgress& progress) {
  const std::string where = "'" + file.string() + "'";
  PngText text;
  const Image image = decode_png(read_file(file, std::uint64_t{256} << 20), where, &text);
  PictureDiagnosis out;
  out.parameters = picture_parameters(text, where);
  out.statistics = listed(image_statistics(image));
  std::string why = obstacle(context, out.parameters);
  if (why.empty())
    if (const auto problems = check(out.parameters->request); !problems.empty()) why = "its parameters cannot be run: " + problems.front().where + " " + problems.front().what;
  if (!why.empty()) {
    out.verdict = verdict_of_pixels(image, why);
    return out;
  }
  try {
    rerun(context, image, options, progress, out);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::cancelled) throw;
    out.rerun.clear();
    out.verdict = verdict_of_pixels(image, std::string("the rerun failed: ") + e.what());
  }
  return out;
}

Json to_json(const PictureDiagnosis& d) {
  Json out = {{"parameters", nullptr}, {"rerun", nullptr}, {"difference", nullptr}, {"same_picture", d.difference && *d.difference < kSamePicture}};
  if (d.parameters) out["parameters"] = {{"tool", d.parameters->tool}, {"request", to_json(d.parameters->request)}, {"known", d.parameters->known}, {"unknown", d.parameters->unknown}};
  if (!d.rerun.empty()) out["rerun"] = d.rerun.string();
  if (d.difference) out["difference"] = *d.difference;
  out["statistics"] = Json::object();
  for (const auto& [name, value] : d.statistics) out["statistics"][name] = value;
  out["verdict"] = to_json(d.verdict);
  return out;
}

std::string picture_text(const PictureDiagnosis& d) {
  if (!d.parameters) return "made by unknown: no generation parameters in the file";
  const GenerateRequest& r = d.parameters->request;
  std::string out = fmt::format("made by {}\nprompt  {}", d.parameters->tool, printable(r.prompt));
  if (!r.negative.empty()) out += "\nagainst " + printable(r.negative);
  std::string known;
  for (const std::string& field : d.parameters->known) known += (known.empty() ? "" : ", ") + field;
  out += "\nstated  " + known;
  for (const std::string& line : d.parameters->unknown) out += "\nunknown " + printable(line);
  if (d.rerun.empty()) return out;
  out += "\nrerun   " + d.rerun.string();
  if (d.difference) out += fmt::format(", mean difference {:.2f} of 255: {}", *d.difference, *d.difference < kSamePicture ? "the same picture" : "another picture");
  return out;
}

}  // namespace safelight::app
