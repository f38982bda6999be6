#include "apps/cli/lab/flows_draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/base/error.h"
#include "common/base/io.h"
#include "common/base/sha256.h"
#include "common/formats/png.h"
#include "finish/typography/text_metric.h"

namespace safelight::app {
namespace {

constexpr int kVersion = 2;   // of what is measured and stored

Json filter_json(const PostFilter& f) { return {{"denoise", f.denoise}, {"deband", f.deband}, {"sharpen", f.sharpen}}; }

// Of the sign that reads most like the word that was asked for; nothing where none was.
std::optional<double> error_rate(const SeenScene& scene, const PromptClaims& claims) {
  if (!claims.sign || claims.sign->text.empty()) return std::nullopt;
  double best = 1;
  for (const SeenSign& s : scene.signs) best = std::min(best, character_error_rate(s.text, claims.sign->text));
  return best;
}

Json to_json(const FlowPicture& p) {
  Json out = p.judged.json();
  out["ms"] = p.ms, out["cer"] = p.cer ? Json(*p.cer) : Json(nullptr), out["settings"] = p.settings, out["sha256"] = p.sha256;
  return out;
}

FlowPicture picture_of(const Json& json, const EvalPrompt& prompt, std::uint64_t seed) {
  FlowPicture out{.judged = {.prompt = prompt, .seed = seed, .check = {}, .problems = json.at("problems").get<std::vector<std::string>>(), .attention = {}}, .ms = json.at("ms").get<double>(), .cer = {}, .settings = json.at("settings"), .sha256 = json.at("sha256").get<std::string>()};
  for (const Json& c : json.at("claims")) out.judged.check.claims.push_back({c.at("kind").get<std::string>(), c.at("right").get<bool>(), c.at("reason").get<std::string>()});
  if (json.at("cer").is_number()) out.cer = json.at("cer").get<double>();
  return out;
}

}  // namespace

std::filesystem::path flow_picture_file(const std::filesystem::path& out, std::size_t mode, std::size_t number) {
  return out / "pictures" / fmt::format("{}-{}.png", kFlowNames[mode], number);
}

FlowFile::FlowFile(const std::filesystem::path& out, const FlowPlan& plan, int threads)
    : plan_(plan), threads_(threads), lines_(out / "pairs.jsonl", "'" + (out / "pairs.jsonl").string() + "' is in use by another `safelight lab flows`; wait for it or choose another --out") {
  std::map<std::string, std::size_t> wanted;
  for (std::size_t i = 0; i < plan.prompts.size(); ++i) wanted[key(i).dump()] = i;
  lines_.read([&](const Json& line, const std::string& where) {
    try {
      const auto it = wanted.find(line.at("key").dump());
      if (it == wanted.end()) return;   // of other modes
      FlowPair pair{.number = it->second, .pictures = {}};
      for (std::size_t m = 0; m < kFlowModes; ++m) {
        pair.pictures[m] = picture_of(line.at(kFlowNames[m]), plan.prompts[pair.number], pair.number);
        const auto file = flow_picture_file(out, m, pair.number);
        if (!std::filesystem::exists(file) || sha256_file(file) != pair.pictures[m].sha256) return;   // another mode's picture may have taken its place
      }
      pairs_[pair.number] = std::move(pair);
    } catch (const Json::exception&) {
      throw Error(ErrorCode::corrupt_file, where + " is no pair of `safelight lab flows`; remove the line or the file");
    }
  });
}

Json FlowFile::key(std::size_t number) const {
  Json out = {{"version", kVersion}, {"threads", threads_}, {"task", plan_.prompts[number].task}, {"prompt", plan_.prompts[number].text}, {"seed", number}};
  for (std::size_t m = 0; m < kFlowModes; ++m) out[kFlowNames[m]] = {{"model", plan_.flows[m].fingerprint}, {"steps", plan_.flows[m].steps}, {"side", plan_.flows[m].side_px}, {"filter", filter_json(plan_.flows[m].filter)}, {"fix_text", plan_.flows[m].fix_text}};
  return out;
}

void FlowFile::add(FlowPair pair) {
  Json line = {{"key", key(pair.number)}};
  for (std::size_t m = 0; m < kFlowModes; ++m) line[kFlowNames[m]] = to_json(pair.pictures[m]);
  lines_.append(line);
  const std::size_t number = pair.number;
  pairs_[number] = std::move(pair);
}

FlowPainter::FlowPainter(const FlowPlan& plan, Context& context) : plan_(plan), context_(context) {
  for (std::size_t m = 0; m < kFlowModes; ++m) {
    if (!plan.flows[m].fix_text.empty()) fixing_[m].emplace(plan.flows[m].fix_text);
    if (!plan.flows[m].upscaler.empty()) enlargers_[m].emplace(plan.flows[m].upscaler, 0, context);
  }
}

FlowPicture FlowPainter::picture(std::size_t mode, std::size_t number, Image* image) {
  const Flow& flow = plan_.flows[mode];
  const EvalPrompt& prompt = plan_.prompts[number];
  GenerateRequest request;
  request.model = flow.model.string();
  request.prompt = prompt.text;
  request.seed = number;
  request.steps = flow.steps;
  request.width = request.height = flow.side_px;
  request.probes = "none";
  const auto start = std::chrono::steady_clock::now();
  FinishedRun run = context_.engine().generate(request, {}, {}, {.progress = {}, .cancelled = stop_requested});
  Image drawn = std::move(run.result.images.at(0));
  if (enlargers_[mode]) drawn = enlargers_[mode]->enlarged(drawn, prompt.text, number);
  *image = post_filtered(drawn, flow.filter);
  if (fixing_[mode]) *image = fixing_[mode]->fixed(*image, prompt.text);
  FlowPicture out;
  out.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const SeenScene scene = see_picture(*image);
  const PromptClaims claims = parse_prompt(prompt.text);
  out.judged = judged_picture(prompt, number, scene, claims, nullptr);
  out.cer = error_rate(scene, claims);
  out.settings = {{"filter", filter_json(flow.filter)}, {"fix_text", flow.fix_text}, {"upscaler", flow.upscaler.filename().string()}};
  for (const char* key : {"steps", "guidance", "scheduler", "width", "height", "dtype"})
    if (run.result.resolved.contains(key)) out.settings[key] = run.result.resolved[key];
  return out;
}

FlowPair FlowPainter::pair(std::size_t number) {
  FlowPair out{.number = number, .pictures = {}};
  Image image;
  for (std::size_t m = 0; !warm_ && m < kFlowModes; ++m) picture(m, number, &image);
  warm_ = true;
  for (std::size_t k = 0; k < kFlowModes; ++k) {
    const std::size_t mode = (k + number) % kFlowModes;
    out.pictures[mode] = picture(mode, number, &image);
    const std::string png = encode_png(image, {});
    out.pictures[mode].sha256 = sha256_hex(png);
    write_file_atomic(flow_picture_file(plan_.options.out, mode, number), png);
  }
  return out;
}

}  // namespace safelight::app
